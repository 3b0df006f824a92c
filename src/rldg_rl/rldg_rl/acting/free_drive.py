# SPDX-License-Identifier: Apache-2.0
"""Between episodes that a person asks for: the arm follows their hand, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rldg_rl.acting.actor import Hands, action_by_hand
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.rewards.asking_judges import Watcher
from rldg_rl.rewards.judge import HELD_SECONDS, Declaring
from rldg_rl.robot.observation import Observation

QUESTION = "Free driving, nothing is recorded. Begin an episode?"


class FreeHands(Hands, Declaring, Protocol):
    """Hands that drive, and whose two buttons say more than open and close."""


class FreeDrive:
    """Drives until an episode is wanted: yes to the question, or both buttons held for a second."""

    def __init__(self, env: RobotEnv, hands: FreeHands, person: Watcher) -> None:
        self._env = env
        self._hands = hands
        self._person = person
        self._wanted_steps = round(HELD_SECONDS * env.task.control_rate)

    def until_wanted(self, goes_on: Callable[[], bool]) -> None:
        """Follow the hand from where the arm is, at most as long as `goes_on`, which is asked at every control step."""
        self._env.drive_on()
        self._hands.begin(self._env.task, 0)
        self._person.invite(QUESTION, self._env.latest)
        self._held, self._let_go = 0, False
        while goes_on() and not self._wants_episode(seen := self._env.latest):
            deflection = self._hands.deflection(seen)[: self._env.task.action_dim]
            self._env.drive(action_by_hand(deflection, seen))
        self._person.dismiss()

    def _wants_episode(self, seen: Observation) -> bool:
        if self._person.said is False:
            self._person.invite(QUESTION, seen)
        declared = self._hands.declares_done(seen)
        # What ended the last episode is still held, and does not begin the next one.
        self._let_go = self._let_go or not declared
        self._held = self._held + 1 if declared and self._let_go else 0
        return self._person.said is True or self._held >= self._wanted_steps
