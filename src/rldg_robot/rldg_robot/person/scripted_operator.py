# SPDX-License-Identifier: Apache-2.0
"""A person with a SpaceMouse, played: an eye, an intention and a hand, and the attention that decides when to help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rldg_core.files.checked_file import read_yaml
from rldg_core.gripper_command import CLOSE, LEAVE, OPEN
from rldg_core.message_values import SECOND
from rldg_core.operators import OPERATORS
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_core.twist_action import action_from_twist
from rldg_core.user_error import UserError
from rldg_core.vocabulary import LED_BY_POLICY, Source
from rldg_robot.person.eye import Eye, EyeTraits, Sight
from rldg_robot.person.hand import HandTraits, OperatorHand
from rldg_robot.person.intention import Intention, IntentionTraits, Phase
from rldg_robot.person.route import next_leg

HANDS_OFF = np.zeros(6)
NO_BUTTON = (0, 0)
DONE = (1, 1)
"""both buttons: the person says that the task is done"""


class UnknownPerson(UserError, ValueError):
    """No operator of that name; the message lists the names there are."""


@dataclass(frozen=True)
class TakeoverRule:
    """When the operator takes over from a policy."""

    probability: float
    """of watching an episode at all"""
    patience: float
    """[s] without coming nearer until the operator reaches for the SpaceMouse"""
    nearer: float
    """[m] that counts as coming nearer"""
    help: float
    """of the time that an episode has: for so long the operator then leads"""


@dataclass(frozen=True)
class PersonTraits:
    """Everything that makes an operator who they are, as their YAML says."""

    eye: EyeTraits
    intention: IntentionTraits
    hand: HandTraits
    attention: TakeoverRule


def load_person(name: str) -> PersonTraits:
    """Read `operators/<name>.yaml`.

    Raises:
        UnknownPerson: no such file.
        FormatError: the YAML lacks a field, has one too many, or one of a wrong type.
    """
    path = OPERATORS / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in OPERATORS.glob("*.yaml")))
        raise UnknownPerson(f"no operator '{name}'; there are: {names}")
    return read_yaml(path, PersonTraits, strict=True)


class ScriptedOperator:
    """Leads demonstrations, leads specialists in up to the task's hand-over, helps policies that are stuck."""

    def __init__(
        self, task: Task, seed: int | Sequence[int], person: PersonTraits | None = None
    ) -> None:
        self.task = task
        self.person = person or load_person("default")
        self._rng = np.random.default_rng(seed)
        self.begin("")

    def begin(self, source: str) -> None:
        """A new episode. The operator leads demonstrations, and the others until the task's hand-over; from there on it
        watches policies and leaves evaluations alone.
        """
        person, rng = self.person, self._rng
        self._leads = source == Source.DEMONSTRATION
        self._leads_in = source in LED_BY_POLICY
        self._watches = source == Source.POLICY and rng.random() < person.attention.probability
        self.eye = Eye(person.eye, rng)
        self._take_up()
        self._nearest = np.inf
        self._nearest_stamp = 0
        self._distance = 0.0
        self._help_until = 0
        self._done_since: int | None = None

    def deflection(self, sight: Sight) -> np.ndarray:
        """SpaceMouse deflection (6,) in [-1, 1], linear then angular in base axes; zeros: hands off.

        `buttons` then says which are pressed: the left one closes the gripper, the right one opens it, both say that
        the task is done.
        """
        if self._sees_it_done(sight):
            self._take_up()
            self.buttons = DONE
            return HANDS_OFF
        if self.task.grasp is not None:
            sight = next_leg(sight)
        self.eye.watch(sight)
        self._leads_in = self._leads_in and sight.progress < self.task.handover
        if not (self._leads or self._leads_in or self._must_help(sight)):
            self._take_up()
            return HANDS_OFF
        if self._hand.is_free(sight.stamp):
            self._decide(sight.stamp)
        return self._hand.push(sight.stamp)

    @property
    def phase(self) -> Phase:
        """Where the operator is in the task."""
        return self._intention.phase

    def _take_up(self) -> None:
        """Both hands free, nothing begun."""
        self.buttons = NO_BUTTON
        self._intention = Intention(self.person.intention, self._rng)
        self._hand = OperatorHand(self.person.hand, self.task, self._rng)

    def _decide(self, now: int) -> None:
        seen = self.eye.glance(now)
        if seen is None:
            return
        # A person knows where their own push has brought the arm since, unless it touched something.
        way = self._hand.moved_since(seen.stamp)
        way = action_from_twist(way, seen.pose.quaternion)
        expected = seen.offset.relative_to(Pose.from_rotvec(way[:3], way[3:]))
        intended = self._intention.next_move(seen.offset, expected, seen.gripper != LEAVE)
        handles = self.phase is Phase.HANDLE
        self.buttons = (
            int(handles and seen.gripper == CLOSE),
            int(handles and seen.gripper == OPEN),
        )
        self._hand.plan(intended, seen.pose.quaternion, now)

    def answer(self, sight: Sight) -> bool:
        """Whether it is done, when somebody asks and waits: there is time to look."""
        return sight.progress >= self.task.success_progress

    def _sees_it_done(self, sight: Sight) -> bool:
        """As late as the person sees anything."""
        if not self.answer(sight):
            self._done_since = None
            return False
        if self._done_since is None:
            self._done_since = sight.stamp
        return sight.stamp - self._done_since >= self.person.eye.delay * SECOND

    def _must_help(self, sight: Sight) -> bool:
        if not self._watches:
            return False
        attention = self.person.attention
        distance = float(np.linalg.norm(sight.offset.position))
        leapt = distance > self._distance + self.person.intention.elsewhere  # another goal
        self._distance = distance
        if self._nearest_stamp == 0 or leapt or distance < self._nearest - attention.nearer:
            self._nearest, self._nearest_stamp = distance, sight.stamp
        if sight.stamp - self._nearest_stamp > attention.patience * SECOND:
            seconds = attention.help * self.task.horizon * self.task.period
            self._help_until = sight.stamp + int(seconds * SECOND)
            self._nearest_stamp = sight.stamp
        return sight.stamp < self._help_until
