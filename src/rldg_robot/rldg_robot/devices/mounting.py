# SPDX-License-Identifier: Apache-2.0
"""From what a hand does to what the robot is to do: where the person stands, and how much is no push at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rldg_robot.devices.hand_device import Push


@dataclass(frozen=True)
class Mounting:
    """Turns pushes in the person's axes into those of `base`."""

    facing: float = 0.0
    """[degrees] which way the person and their device look, counter-clockwise seen from above. 0: along x of base, they
    stand behind the arm; 90: along y of base; 180: they look at the arm from its front"""
    deadband: float = 0.05
    """of full deflection, per axis, below which a hand or a device at rest stays; beyond it the push begins at 0"""

    def in_base(self, push: Push) -> np.ndarray:
        """(6,) in [-1, 1], linear then angular, in axes of `base`: what `spacenav/joy` carries."""
        strength = (np.abs(push.axes) - self.deadband) / (1.0 - self.deadband)
        axes = np.sign(push.axes) * np.clip(strength, 0.0, 1.0)
        sine, cosine = math.sin(math.radians(self.facing)), math.cos(math.radians(self.facing))
        turned = axes.reshape(2, 3) @ [[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]
        return np.clip(turned.flatten(), -1.0, 1.0)
