# SPDX-License-Identifier: Apache-2.0
"""What an arm knows of itself at one moment, without camera and without knowledge of the goal."""

from __future__ import annotations

import numpy as np

from rldg_core.poses import Pose

PROPRIOCEPTION = (
    *(f"tcp_{axis} [m]" for axis in "xyz"),
    *(f"tcp_rotvec_{axis} [rad]" for axis in "xyz"),
    *(f"velocity_{axis} [m/s]" for axis in "xyz"),
    *(f"angular_velocity_{axis} [rad/s]" for axis in "xyz"),
    *(f"force_{axis} [N]" for axis in "xyz"),
    *(f"torque_{axis} [Nm]" for axis in "xyz"),
    "gripper_width [m]",
)
"""name and unit of every dimension; the pose relative to the reset pose, the rest in the TCP frame"""


def proprioception(
    pose: Pose, twist: np.ndarray, wrench: np.ndarray, gripper_width: float, reset_pose: Pose
) -> np.ndarray:
    """The measured state in SI units: (19,) float64, as `PROPRIOCEPTION` names it.

    Args:
        pose: of the TCP in `base`.
        twist: (6,) of the TCP, linear [m/s] then angular [rad/s], in base axes.
        wrench: (6,) external, force [N] then torque [Nm], in the TCP frame.
        gripper_width: [m].
        reset_pose: TCP pose at the start of the episode; the pose is relative to it (HIL-SERL, section IV-B).
    """
    relative = reset_pose.inverse() @ pose
    return np.concatenate(
        [
            relative.position,
            relative.rotvec,
            pose.local(twist[:3]),
            pose.local(twist[3:]),
            wrench,
            [gripper_width],
        ]
    )
