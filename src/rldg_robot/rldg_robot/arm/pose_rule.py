# SPDX-License-Identifier: Apache-2.0
"""Done is where the TCP is at the goal: the rule of RLDG's released configuration, which needs no eyes."""

from __future__ import annotations

import numpy as np

from rldg_core.poses import Pose
from rldg_core.task import Spread, Task

POSITION = np.array([0.005, 0.005, 0.003])
"""[m] from the goal along each axis of the TCP"""
ROTATION = 0.1
"""[rad] about each axis, likewise"""
AT_GOAL = 1.0
"""progress, only where it is done"""


def goal_stays(task: Task) -> bool:
    """Whether a task's goal is the same in every episode, and all that there is to go to."""
    return task.goal.spread == Spread() and task.grasp is None


def is_there(offset: Pose) -> bool:
    """Whether the TCP is at the goal; `offset` is the goal in its frame."""
    near = bool((np.abs(offset.position) <= POSITION).all())
    return near and bool((np.abs(offset.rotvec) <= ROTATION).all())


def progress(task: Task, offset: Pose) -> float:
    """1 at the goal; before that the nearness to it in heights of a start, always less than what counts as done."""
    if is_there(offset):
        return AT_GOAL
    far = float(np.linalg.norm(offset.position)) / task.reset.height
    return 0.99 * task.success_progress * max(0.0, 1.0 - far)
