# SPDX-License-Identifier: Apache-2.0
"""What a policy sees of the robot at one control step, and the vector that the specialist learns from.

The same function makes the vector while the robot moves and when a buffer is rebuilt from a bag, so that both are
equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rldg_core.contract import (
    CURRENT_POSE,
    CURRENT_TWIST,
    EXTERNAL_WRENCH,
    GRIPPER_STATE,
    TASK_STATE,
)
from rldg_core.message_values import pose_of, twist_of, wrench_of
from rldg_core.poses import Pose
from rldg_core.proprioception import PROPRIOCEPTION, proprioception
from rldg_core.task import Task

STATE = (CURRENT_POSE, CURRENT_TWIST, EXTERNAL_WRENCH, TASK_STATE)
"""topics that carry the stamp of the step; gripper and camera have clocks of their own"""
LIMIT = 3.0
NEAR = 0.15
"""[m] that positions are given within at least; beyond a task's reach they are clipped"""
SCALES = np.concatenate(
    [
        np.full(3, LIMIT),  # TCP position relative to the reset pose, of the task's reach
        np.full(3, 10.0),  # [1/rad]
        np.full(3, 10.0),  # [s/m] linear twist: 0.1 m/s -> 1
        np.full(3, 2.0),  # [s/rad]
        np.full(3, 0.05),  # [1/N] force: 20 N -> 1
        np.full(3, 0.5),  # [1/Nm]
        np.full(1, 12.5),  # [1/m] gripper: 0.08 m -> 1
        np.full(3, LIMIT),  # goal in the TCP frame, of the task's reach
        np.full(3, 200.0),  # [1/m] the same, magnified: the last 5 mm decide
        np.full(3, 10.0),  # [1/rad] turn to the goal
    ]
)
BODY = len(PROPRIOCEPTION)
"""numbers of a state vector that tell of the arm itself; they come first"""
GOAL = len(SCALES) - BODY
"""numbers that tell where the goal is; they come next"""
COMMAND = len(SCALES) + 1
"""where the gripper is learned, the place of what its fingers are asked for"""


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
    goal_gripper: float
    """what the fingers should do there: -1 close, +1 open, 0 stay as they are"""
    progress: float
    """in [0, 1]"""
    success: bool
    image: np.ndarray
    """(H, W, 3) uint8 RGB of the wrist camera"""


def observation_of(
    messages: Mapping[str, Any], state_stamp: int, image_stamp: int, image: np.ndarray
) -> Observation:
    """What the messages of one control step say together.

    Args:
        messages: of `STATE` and `GRIPPER_STATE`, by topic.
        state_stamp: of the pose [ns].
        image_stamp: of the image [ns].
        image: (H, W, 3) uint8 RGB.
    """
    task_state = messages[TASK_STATE.name]
    return Observation(
        state_stamp=state_stamp,
        image_stamp=image_stamp,
        pose=pose_of(messages[CURRENT_POSE.name].pose),
        twist=twist_of(messages[CURRENT_TWIST.name].twist),
        wrench=wrench_of(messages[EXTERNAL_WRENCH.name].wrench),
        gripper_width=float(messages[GRIPPER_STATE.name].width),
        offset=pose_of(task_state.offset),
        goal_gripper=float(task_state.gripper),
        progress=float(task_state.progress),
        success=bool(task_state.success),
        image=image,
    )


def state_dim(task: Task) -> int:
    """Length of the task's state vector."""
    return len(SCALES) + 3 * task.learns_gripper


def body_dim(task: Task) -> int:
    """Length of what `body_part` keeps of it."""
    return BODY + task.learns_gripper


def body_part(state: np.ndarray, task: Task) -> np.ndarray:
    """What an arm knows of itself of a state vector: (..., body_dim(task)) of (..., state_dim(task)).

    Neither goal nor progress, which is not measured outside of the twin; what the fingers are asked for, it knows.
    """
    if not task.learns_gripper:
        return state[..., :BODY]
    return np.concatenate([state[..., :BODY], state[..., COMMAND, None]], -1)


def reach(task: Task) -> float:
    """[m] that positions are given within."""
    return max(task.box.reach, NEAR)


def goal_part(offset: Pose, task: Task) -> np.ndarray:
    """How the state vector tells of a goal in the TCP frame: (GOAL,) float64."""
    raw = np.concatenate([offset.position / reach(task), offset.position, offset.rotvec])
    return np.clip(raw * SCALES[BODY:], -LIMIT, LIMIT)


def state_vector(
    observation: Observation, reset_pose: Pose, task: Task, gripper_command: float
) -> np.ndarray:
    """The specialist's input: (state_dim(task),) float32, each about in [-1, 1], never beyond LIMIT.

    Where the gripper is learned there are three more: what the fingers should do at the goal; what they are asked for,
    since they take a few steps to get there and their width does not tell which way they are going; and the progress,
    for the way to the bowl looks alike with and without something in the hand.

    Args:
        observation: what was measured.
        reset_pose: TCP pose at the start of the episode; poses are relative to it (HIL-SERL, section IV-B).
        task: the one that is done.
        gripper_command: OPEN or CLOSE, what holds at this step before the policy decides.
    """
    body = proprioception(
        observation.pose,
        observation.twist,
        observation.wrench,
        observation.gripper_width,
        reset_pose,
    )
    body[:3] /= reach(task)
    body = np.clip(body * SCALES[:BODY], -LIMIT, LIMIT)
    state = np.concatenate([body, goal_part(observation.offset, task)])
    if task.learns_gripper:
        state = np.append(
            state, [observation.goal_gripper, gripper_command, 2.0 * observation.progress]
        )
    return state.astype(np.float32)
