# SPDX-License-Identifier: Apache-2.0
"""The scripted operator of a run in this process: the same as the node, and the hands that the actor reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rldg_core import contract
from rldg_core.task import Task
from rldg_rl.acting.latched_hand import LatchedHand
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.robot.observation import Observation
from rldg_robot.person.operator_duty import OperatorDuty
from rldg_robot.person.scripted_operator import ScriptedOperator, load_person


class OperatorHands:
    """Implements `actor.Hands`."""

    def __init__(self, task: Task, seed: int | Sequence[int], channel: LocalChannel) -> None:
        """An operator who hears and publishes on the channel.

        Args:
            task: the first one.
            seed: of all that the operator draws, over all episodes.
            channel: that is listened to.
        """
        self._hand = LatchedHand()
        duty = OperatorDuty(ScriptedOperator(task, seed, load_person("default")), channel.publish)
        self._channel = channel
        self._hears = {**duty.hears, contract.SPACENAV_JOY: self._hand.keep}
        for topic, hear in self._hears.items():
            channel.listen(topic, hear)

    def leave(self) -> None:
        """Listen no more."""
        for topic, hear in self._hears.items():
            self._channel.leave(topic, hear)

    def begin(self, task: Task, seed: int) -> None:
        """See `actor.Hands`."""
        self._hand.forget()

    def deflection(self, seen: Observation) -> np.ndarray:
        """See `actor.Hands`."""
        assert self._hand.stamp == seen.state_stamp, "the operator has not seen this moment"
        return self._hand.take()
