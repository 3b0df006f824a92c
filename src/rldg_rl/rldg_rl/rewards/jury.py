# SPDX-License-Identifier: Apache-2.0
"""Who says when a task is done, by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_rl.rewards.asking_judges import AttendedJudge, ConfirmedJudge, KeyboardJudge, Watcher
from rldg_rl.rewards.judge import (
    CLASSIFIER,
    Declaring,
    Judge,
    PersonJudge,
    PoseJudge,
    TwinJudge,
    said_by,
)

SOMEBODY = "use operator:=scripted, spacemouse, keyboard or gamepad"


@dataclass(frozen=True)
class Jury:
    """The parameters that choose a judge."""

    reward: str
    """twin, pose, classifier, person or keyboard"""
    confirm: bool
    """whether a person confirms what it says"""
    on_request: bool
    """whether a person beside it may end the episode first"""
    classifier: str
    """folder of the one that `reward` names"""

    def __str__(self) -> str:
        return said_by(self.reward, self.confirm)

    @property
    def asks(self) -> bool:
        """Whether somebody has to be there to answer."""
        return self.reward == "keyboard" or self.confirm

    def judge(self, task: Task, hands: object, person: Watcher) -> Judge:
        """For one task.

        Raises:
            UserError: no person is there who could say it, or the classifier is not one of this task.
        """
        if self.reward == "keyboard":
            return KeyboardJudge(person, task)
        judge = self._alone(task, hands)
        if self.on_request:
            return AttendedJudge(judge, person, task)
        return ConfirmedJudge(judge, person, task) if self.confirm else judge

    def _alone(self, task: Task, hands: object) -> Judge:
        """One that asks no person."""
        if self.reward == "pose":
            return PoseJudge(task)
        if self.reward == "person":
            if not isinstance(hands, Declaring):
                raise UserError(f"reward:=person needs one: {SOMEBODY}")
            return PersonJudge(hands, task)
        if self.reward == CLASSIFIER:
            # The other judges need no torch.
            classifiers = import_module("rldg_rl.rewards.reward_classifier")
            judge: Judge = classifiers.ClassifierJudge(Path(self.classifier), task)
            return judge
        return TwinJudge()
