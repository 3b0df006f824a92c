# SPDX-License-Identifier: Apache-2.0
"""What a policy sees of the robot at one control step, and the vector that the specialist learns from.

The same function makes the vector while the robot moves and when a buffer is rebuilt from a bag, so that both are
equal bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rldg_robot.poses import Pose
from rldg_robot.proprioception import proprioception

STATE_DIM = 28
SCALES = np.concatenate(
    [
        np.full(3, 20.0),  # [1/m] TCP position relative to the reset pose: 5 cm -> 1
        np.full(3, 10.0),  # [1/rad]
        np.full(3, 10.0),  # [s/m] linear twist: 0.1 m/s -> 1
        np.full(3, 2.0),  # [s/rad]
        np.full(3, 0.05),  # [1/N] force: 20 N -> 1
        np.full(3, 0.5),  # [1/Nm]
        np.full(1, 12.5),  # [1/m] gripper: 0.08 m -> 1
        np.full(3, 20.0),  # [1/m] goal in the TCP frame
        np.full(3, 200.0),  # [1/m] the same, magnified: the last 5 mm decide
        np.full(3, 10.0),  # [1/rad] turn to the goal
    ]
)
LIMIT = 3.0


@dataclass(frozen=True)
class Observation:
    """Everything that is measured at one control step. Poses in `base`; stamps in ns of ROS time."""

    state_stamp: int
    image_stamp: int
    pose: Pose
    """of the TCP"""
    twist: np.ndarray
    """(6,) of the TCP, linear [m/s] then angular [rad/s], in base axes"""
    wrench: np.ndarray
    """(6,) external, force [N] then torque [Nm], in the TCP frame"""
    gripper_width: float
    """[m]"""
    offset: Pose
    """goal in the TCP frame"""
    progress: float
    """in [0, 1]"""
    success: bool
    image: np.ndarray
    """(H, W, 3) uint8 RGB of the wrist camera"""


def state_vector(observation: Observation, reset_pose: Pose) -> np.ndarray:
    """The specialist's input: (STATE_DIM,) float32, each about in [-1, 1], never beyond LIMIT.

    Args:
        observation: what was measured.
        reset_pose: TCP pose at the start of the episode; poses are told relative to it (HIL-SERL, section IV-B).
    """
    raw = np.concatenate(
        [
            proprioception(
                observation.pose,
                observation.twist,
                observation.wrench,
                observation.gripper_width,
                reset_pose,
            ),
            observation.offset.position,
            observation.offset.position,
            observation.offset.rotvec,
        ]
    )
    return np.clip(raw * SCALES, -LIMIT, LIMIT).astype(np.float32)
