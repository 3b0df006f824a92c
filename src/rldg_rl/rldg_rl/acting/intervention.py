# SPDX-License-Identifier: Apache-2.0
"""Whether a person is in control: decided once per control step, from the latched SpaceMouse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rldg_core.message_values import SECOND


@dataclass(frozen=True)
class InterventionConfig:
    """When a hand on the SpaceMouse counts."""

    deadband: float = 0.05
    """length of the deflection below which the hand counts as off; drift and noise of the device stay below it"""
    release_delay: float = 0.3
    """[s] for which the person stays in control after letting go, so that a short release is not half an action"""


class InterventionLatch:
    """Remembers who was in control, so that control changes hands cleanly."""

    def __init__(self, config: InterventionConfig | None = None) -> None:
        self.config = config or InterventionConfig()
        self.begin()

    def begin(self) -> None:
        """A new episode: no person is in control."""
        self._last_active: int | None = None
        self._led = False

    def lead(self) -> None:
        """The person leads anyway. Once that is over their hand counts as a new one: after it was off."""
        self._led = True

    def decide(self, now: int, deflection: np.ndarray) -> bool:
        """True if the person acts in this step.

        Args:
            now: stamp of the control step [ns].
            deflection: of the SpaceMouse, each in [-1, 1]: six axes, then the buttons where they count.
        """
        active = float(np.linalg.norm(deflection)) > self.config.deadband
        self._led = self._led and active
        if active and not self._led:
            self._last_active = now
        if self._last_active is None:
            return False
        return now - self._last_active <= self.config.release_delay * SECOND
