# SPDX-License-Identifier: Apache-2.0
"""The learner: takes in the actor's steps as they come and keeps the agent updated at a fixed ratio to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rldg_core.files.picture import BadPicture
from rldg_core.task import Task
from rldg_core.vocabulary import Source
from rldg_rl.agent.agent import Agent
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import StoredStep, received_step
from rldg_rl.learner_config import LearnerConfig, updates_due
from rldg_rl.log import Log
from rldg_rl.robot.observation import state_dim
from rldg_rl.vision.image_encoder import Encoder, is_blind

PATIENCE = 3.0  # [s] of wall time in training without a step, until it counts as silence


def learned_part(step: StoredStep, task: Task) -> StoredStep:
    """A step with only the action dimensions that are learned."""
    return replace(step, action=step.action[: task.action_dim])


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
            mistaken: called with what is wrong where the actor was started with other arguments.
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

    def hear(self, message: Any) -> None:
        """The actor sent a step, as rldg_msgs/Transition."""
        self.noticed()
        try:
            step = learned_part(received_step(message), self._task)
        except BadPicture as error:
            self._drop(str(error))
            return
        seen = (step.observation, step.next_observation)
        sizes = sorted({len(each) for each in seen if each is not None})
        if sizes != [state_dim(self._task)]:
            has = " and ".join(map(str, sizes))
            wanted = f"the state of {self._task.id} {state_dim(self._task)}"
            self._drop(f"it has {has} numbers, and {wanted}")
        elif (step.image is None) != (self._encoder is None):
            self._mistaken("the actor and this learner were given another observation:=")
        elif is_blind(self._encoder):
            pass  # what it cannot look at yet, it will find in the bags
        elif self.begun:
            self._learner.take_in(step)
        else:
            self._waiting.append(step)

    def _drop(self, fault: str) -> None:
        """A step was sent that cannot be used."""
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


@dataclass
class Learner:
    """Buffer, agent and the count of both."""

    agent: Agent
    buffer: ReplayBuffer
    config: LearnerConfig = field(default_factory=LearnerConfig)
    seed: int = 0
    policy_steps: int = 0
    """training steps taken in so far (steps of episodes that a policy led)"""
    metrics: dict[str, float] = field(default_factory=dict)
    look: Callable[[StoredStep], StoredStep] | None = None
    """makes of a step with an image one that the buffer holds; None: the policy takes the state"""

    def __post_init__(self) -> None:
        """Draw batches reproducibly."""
        self._rng = np.random.default_rng(self.seed)
        self._recent: list[tuple[float, int]] = [(time.monotonic(), self.updates)]

    def take_in(self, step: StoredStep) -> None:
        """Store a step; one that was already taken in counts for nothing."""
        if (step.episode_id, step.index) in self.buffer:
            return
        self.buffer.add(step if self.look is None else self.look(step))
        if step.source == Source.POLICY:
            self.policy_steps += 1

    @property
    def updates(self) -> int:
        """Critic updates so far."""
        return self.agent.updates

    @property
    def owed(self) -> int:
        """Updates that are due for the steps taken in."""
        if self.buffer.online_size == 0:
            return 0
        return updates_due(self.policy_steps, self.config, self.agent.config) - self.updates

    def update(self) -> None:
        """The updates of one step."""
        self.metrics |= self.agent.learn_from(self.buffer, self._rng)

    def learn_from_prior(self, on_update: Callable[[int], None]) -> None:
        """Updates from what the buffer holds before the first training step; they count for none.

        Args:
            on_update: called with their number after those of every step.
        """
        wanted, per_step = self.config.prior_updates, self.agent.config.updates_per_step
        for done in range(per_step, wanted + 1, per_step):
            self.update()
            on_update(done)
        self.agent.updates = 0
        self._recent = [(time.monotonic(), 0)]

    def updates_per_second(self) -> float:
        """Over the last few calls."""
        self._recent = [*self._recent[-9:], (time.monotonic(), self.updates)]
        (t0, u0), (t1, u1) = self._recent[0], self._recent[-1]
        return (u1 - u0) / max(t1 - t0, 1e-6)
