# SPDX-License-Identifier: Apache-2.0
"""Judges that ask a person who watches: at the episode's end, or whenever another judge thinks that it is done.

While a question waits for its answer the robot stands still, and the step that it is about has not been reported to
anybody: no reward is ever taken back.
"""

from __future__ import annotations

from typing import Protocol

from rldg_core.task import Task
from rldg_rl.rewards.judge import Judge, Verdict
from rldg_rl.robot.observation import Observation

SECONDS_OF_PEACE = 1.0
"""of robot time after a no until the person is asked again"""


class Watcher(Protocol):
    """A person who watches the robot; see `acting.person_client.PersonClient`."""

    @property
    def said(self) -> bool | None:
        """The answer to what was asked last; None: none yet."""

    def invite(self, question: str, seen: Observation) -> None:
        """Ask, and go on: the answer may come at any time."""

    def answer(self, question: str, seen: Observation) -> bool:
        """Ask, and wait for the answer."""

    def dismiss(self) -> None:
        """Nothing is asked any more."""


class KeyboardJudge:
    """A person says when it is done, or that it failed; once the time is out, they are asked."""

    def __init__(self, person: Watcher, task: Task) -> None:
        self._person = person
        self._task = task

    def begin(self, seen: Observation) -> None:
        """See `judge.Judge`."""
        self._person.invite(f"{self._task.id} runs. Is it done, or has it failed?", seen)

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `judge.Judge`."""
        said = self._person.said
        if said is None and last:
            said = self._person.answer(f"{self._task.id}: the time is out. Is it done?", seen)
        if said is None:
            return Verdict.GOES_ON
        self._person.dismiss()
        return Verdict.DONE if said else Verdict.FAILED


class AttendedJudge:
    """Another judge says when it is done; a person may say so before, or give it up."""

    def __init__(self, judge: Judge, person: Watcher, task: Task) -> None:
        self._judge = judge
        self._person = person
        self._task = task

    def begin(self, seen: Observation) -> None:
        """See `judge.Judge`."""
        self._judge.begin(seen)
        self._person.invite(f"{self._task.id} is recorded. Is it done, or do you give it up?", seen)

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `judge.Judge`."""
        verdict = self._judge.verdict(seen, last)
        if verdict is Verdict.GOES_ON and self._person.said is not None:
            verdict = Verdict.DONE if self._person.said else Verdict.FAILED
        if last or verdict is not Verdict.GOES_ON:
            self._person.dismiss()
        return verdict


class ConfirmedJudge:
    """Another judge suggests that it is done; it is once the person agrees. After a no the episode goes on."""

    def __init__(self, judge: Judge, person: Watcher, task: Task) -> None:
        self._judge = judge
        self._person = person
        self._task = task
        self._peace = 0

    def begin(self, seen: Observation) -> None:
        """See `judge.Judge`."""
        self._judge.begin(seen)
        self._person.dismiss()
        self._peace = 0

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `judge.Judge`. In the last step of the time the person is asked even if they just said no."""
        suggested = self._judge.verdict(seen, last)
        self._peace -= 1
        if suggested is not Verdict.DONE or (self._peace > 0 and not last):
            return Verdict.GOES_ON
        agreed = self._person.answer(f"{self._task.id} looks done. Is it?", seen)
        self._person.dismiss()
        self._peace = round(SECONDS_OF_PEACE * self._task.control_rate)
        return Verdict.DONE if agreed else Verdict.RESUMES
