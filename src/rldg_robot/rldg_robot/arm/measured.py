# SPDX-License-Identifier: Apache-2.0
"""What an arm measures in one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rldg_core.poses import Pose

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One measurement."""

    pose: Pose
    """of the TCP in base"""
    twist: Array
    """[m/s, rad/s] (6,) of the TCP, in axes of base"""
    wrench: Array
    """[N, Nm] (6,) what the environment exerts on the robot at the TCP, in the TCP frame"""
    joint_positions: Array
    """[rad] (7,)"""
    joint_velocities: Array
    """[rad/s] (7,)"""
    joint_efforts: Array
    """[Nm] (7,) of the motors, gravity included"""
