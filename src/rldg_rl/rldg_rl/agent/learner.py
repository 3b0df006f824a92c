# SPDX-License-Identifier: Apache-2.0
"""The learner: takes in transitions as they come and keeps the agent updated at a fixed ratio to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rldg_core.vocabulary import Source
from rldg_rl.agent.agent import Agent
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import StoredStep
from rldg_rl.learner_config import LearnerConfig, updates_due


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
        """The updates of one step: all move the critics, the last also policy and temperature."""
        config = self.agent.config
        for left in reversed(range(config.updates_per_step)):
            batch = self.buffer.sample(config.batch_size, self._rng, config.demo_fraction)
            self.metrics |= self.agent.update(batch, full=left == 0)

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
