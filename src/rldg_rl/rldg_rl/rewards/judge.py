# SPDX-License-Identifier: Apache-2.0
"""Who says that the task is done: that is the reward, and the end of the episode."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, runtime_checkable

from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_rl.robot.observation import Observation
from rldg_robot.arm.pose_rule import goal_stays, is_there

HELD_SECONDS = 1.0
"""that a person says so without a break, until it counts"""


CLASSIFIER = "classifier"
"""reward:=classifier, as runs name it"""


def said_by(reward: str, confirmed: bool) -> str:
    """Who says that a task is done, as a run's files name it: `reward`, and whether a person confirms it."""
    return f"{reward}, confirmed by a person" if confirmed else reward


class Verdict(Enum):
    """What becomes of an episode after a step."""

    GOES_ON = "goes on"
    RESUMES = "goes on after the robot stood still: the observation is old by now"
    DONE = "the task is done"
    FAILED = "it is not, and no use going on"

    @staticmethod
    def done_if(done: bool) -> Verdict:
        """DONE, or GOES_ON."""
        return Verdict.DONE if done else Verdict.GOES_ON


class Judge(Protocol):
    """Says after every step whether the task is done."""

    def begin(self, seen: Observation) -> None:
        """A new episode, and its first observation."""

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """What is to become of the episode; asked once per observation, in their order; `last`: the time is out."""


class TwinJudge:
    """The success rule of the task's scene, `TaskState.success`: the twin knows."""

    def begin(self, seen: Observation) -> None:
        """See `Judge`."""

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `Judge`."""
        return Verdict.done_if(seen.success)


class PoseJudge:
    """The TCP is where the task's YAML has the goal: the rule of RLDG's released configuration."""

    def __init__(self, task: Task) -> None:
        """Raises UserError where the goal is elsewhere in every episode."""
        if not goal_stays(task):
            raise UserError(
                f"reward:=pose needs a goal that stays where it is, {task.id} has another in every "
                "episode: use another reward, such as reward:=keyboard"
            )
        self._goal = task.goal_pose

    def begin(self, seen: Observation) -> None:
        """See `Judge`."""

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `Judge`."""
        return Verdict.done_if(is_there(self._goal.relative_to(seen.pose)))


@runtime_checkable
class Declaring(Protocol):
    """Hands that can say that it is done; see `hands.SpaceMouseHands.declares_done`."""

    def declares_done(self, seen: Observation) -> bool:
        """Whether they say so at this moment."""


class PersonJudge:
    """A person holds both buttons of the SpaceMouse for a second."""

    def __init__(self, hands: Declaring, task: Task) -> None:
        self._hands = hands
        self._wanted = round(HELD_SECONDS * task.control_rate)
        self._held = 0

    def begin(self, seen: Observation) -> None:
        """See `Judge`."""
        self._held = 0

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `Judge`."""
        self._held = self._held + 1 if self._hands.declares_done(seen) else 0
        return Verdict.done_if(self._held >= self._wanted)
