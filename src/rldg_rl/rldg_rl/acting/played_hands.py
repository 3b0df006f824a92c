# SPDX-License-Identifier: Apache-2.0
"""The person who leads a trained specialist in, played in this process: the same in every transport, and drawn from
the episode's seed alone.
"""

from __future__ import annotations

import numpy as np

from rldg_core.task import Task
from rldg_core.vocabulary import Source
from rldg_rl.robot.observation import Observation
from rldg_robot.person.eye import Sight
from rldg_robot.person.scripted_operator import ScriptedOperator, load_person


class PlayedHands:
    """Implements `actor.Hands` for the twin: leads up to the task's hand-over, then keeps off."""

    def __init__(self) -> None:
        self._person = load_person("default")

    def begin(self, task: Task, seed: int) -> None:
        """See `actor.Hands`."""
        # Start pose and policy are drawn from this seed too: not the same numbers again.
        self._operator = ScriptedOperator(task, [seed, 2], self._person)
        self._operator.begin(Source.EVALUATION)

    def deflection(self, seen: Observation) -> np.ndarray:
        """See `actor.Hands`."""
        return played_deflection(self._operator, seen)


def played_deflection(operator: ScriptedOperator, seen: Observation) -> np.ndarray:
    """(7,) what the operator does at this moment, as `actor.Hands.deflection` gives it."""
    sight = Sight(seen.state_stamp, seen.pose, seen.offset, seen.goal_gripper, seen.progress)
    axes = operator.deflection(sight)
    left, right = operator.buttons
    return np.append(axes, float(right - left))
