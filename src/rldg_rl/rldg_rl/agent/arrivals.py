# SPDX-License-Identifier: Apache-2.0
"""Steps on their way from the actor to the learner: which ones are taken, and whether any are missing."""

from __future__ import annotations

import time
from collections.abc import Callable

from rldg_core.task import Task
from rldg_rl.agent.bag_steps import learned_part
from rldg_rl.agent.beginning import is_blind
from rldg_rl.agent.learner import Learner
from rldg_rl.episodes.step import StoredStep
from rldg_rl.log import Log
from rldg_rl.robot.observation import state_dim
from rldg_rl.vision.image_encoder import Encoder

PATIENCE = 3.0  # [s] of wall time in training without a step, until it counts as silence


class Arrivals:
    """Hands the actor's steps on to a learner, once it has begun."""

    def __init__(
        self,
        learner: Learner,
        encoder: Encoder | None,
        task: Task,
        log: Log,
        mistaken: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing has come yet.

        Args:
            learner: that takes the steps in.
            encoder: of images, where it needs them.
            task: that is learned.
            log: hears of steps that are dropped.
            mistaken: is told what is wrong where the actor was started with other arguments.
            clock: [s] of wall time.
        """
        self._learner = learner
        self._encoder = encoder
        self._task = task
        self._log = log
        self._mistaken = mistaken
        self._clock = clock
        self._waiting: list[StoredStep] = []
        self._heard = clock()
        self.begun = False
        """whether steps are taken in at once"""

    def begin(self) -> None:
        """The learner has begun: those that came in the meantime are taken in."""
        self.begun = True
        for step in self._waiting:
            self._learner.take_in(step)
        self._waiting.clear()

    def hear(self, step: StoredStep) -> None:
        """The actor sent a step."""
        self.noticed()
        step = learned_part(step, self._task)
        seen = (step.observation, step.next_observation)
        sizes = sorted({len(each) for each in seen if each is not None})
        if sizes != [state_dim(self._task)]:
            has = " and ".join(map(str, sizes))
            wanted = f"the state of {self._task.id} {state_dim(self._task)}"
            self.drop(f"it has {has} numbers, and {wanted}")
        elif (step.image is None) != (self._encoder is None):
            self._mistaken("the actor and this learner were given another observation:=")
        elif is_blind(self._encoder):
            pass  # what it cannot look at yet, it will find in the bags
        elif self.begun:
            self._learner.take_in(step)
        else:
            self._waiting.append(step)

    def drop(self, fault: str) -> None:
        """A step was sent that cannot be used."""
        self.noticed()
        self._log.error(f"a step was dropped: {fault}", throttle_duration_sec=5.0)

    def noticed(self) -> None:
        """Something came, or was looked for: patience begins anew."""
        self._heard = self._clock()

    @property
    def silence(self) -> float:
        """[s] of wall time since something came; 0 as long as that is nothing special."""
        seconds = self._clock() - self._heard
        return seconds if seconds >= PATIENCE else 0.0

    def misses(self, executed: int) -> bool:
        """Whether the actor executed more training steps than arrived: a link was dead for longer than the topic is
        deep, or a kill came after the recorder had a step and before the learner did.
        """
        return self.silence > 0 and executed > self._learner.policy_steps
