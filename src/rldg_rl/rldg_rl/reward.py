# SPDX-License-Identifier: Apache-2.0
"""Who says that the task is done: that is the reward, and the end of the episode."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rldg_rl.observation import Observation
from rldg_robot.task import Spread, Task
from rldg_robot.user_error import UserError

POSITION = np.array([0.005, 0.005, 0.003])
"""[m] from the goal along each axis of the TCP, as in RLDG's released configuration"""
ROTATION = 0.1
"""[rad] about each axis, likewise"""
HELD_SECONDS = 1.0
"""that a person says so without a break, until it counts"""


class Judge(Protocol):
    """Says after every step whether the task is done."""

    def begin(self) -> None:
        """A new episode."""

    def succeeded(self, seen: Observation) -> bool:
        """Whether it is done now; asked once per observation, in their order."""


class TwinJudge:
    """The success rule of the task's scene, `TaskState.success`: the twin knows."""

    def begin(self) -> None:
        """See `Judge`."""

    def succeeded(self, seen: Observation) -> bool:
        """See `Judge`."""
        return seen.success


class PoseJudge:
    """The TCP is where the task's YAML has the goal: the rule of RLDG's released configuration."""

    def __init__(self, task: Task) -> None:
        """Raises UserError where the goal is elsewhere in every episode."""
        if task.goal.spread != Spread() or task.grasp is not None:
            raise UserError(
                f"reward:=pose needs a goal that stays where it is, {task.id} has another in every "
                "episode: use reward:=twin, person or classifier"
            )
        self._goal = task.goal_pose

    def begin(self) -> None:
        """See `Judge`."""

    def succeeded(self, seen: Observation) -> bool:
        """See `Judge`."""
        away = self._goal.relative_to(seen.pose)
        near = (np.abs(away.position) <= POSITION).all()
        return bool(near and (np.abs(away.rotvec) <= ROTATION).all())


class Declaring(Protocol):
    """Hands that can say that it is done; see `hands.Hands.declares_done`."""

    def declares_done(self, seen: Observation) -> bool:
        """Whether they say so at this moment."""


class PersonJudge:
    """A person holds both buttons of the SpaceMouse for a second."""

    def __init__(self, hands: Declaring, task: Task) -> None:
        self._hands = hands
        self._wanted = round(HELD_SECONDS * task.control_rate)
        self._held = 0

    def begin(self) -> None:
        """See `Judge`."""
        self._held = 0

    def succeeded(self, seen: Observation) -> bool:
        """See `Judge`."""
        self._held = self._held + 1 if self._hands.declares_done(seen) else 0
        return self._held >= self._wanted
