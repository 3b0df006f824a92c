# SPDX-License-Identifier: Apache-2.0
"""The learner's rounds: when it updates, publishes, saves and logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rldg_rl.agent.learner import Arrivals, Learner

IDLE_SECONDS = 0.02
SAVE_AFTER = 0.5  # [s] without work, as at the end of training
LOG_EVERY = 100  # updates
CALLBACKS_PER_ROUND = 8


class Outlet(Protocol):
    """Where goes what a learner has learned."""

    def publish_weights(self) -> None:
        """To the actor."""

    def save(self) -> None:
        """To the disk."""

    def log_metrics(self) -> None:
        """To the learning curves."""

    def take_in_missing(self) -> None:
        """The other way: steps that never arrived, out of the bags."""

    def handle_message(self, seconds: float) -> None:
        """One, waiting for it so long."""


class LearningLoop:
    """One round after the other: a few messages, then the updates of one step if they are owed."""

    def __init__(
        self,
        learner: Learner,
        arrivals: Arrivals,
        outlet: Outlet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing was published or saved yet.

        Args:
            learner: that is kept at work.
            arrivals: of the steps that it learns from.
            outlet: where goes what it learns.
            clock: [s] of wall time.
        """
        self._learner = learner
        self._arrivals = arrivals
        self._outlet = outlet
        self._clock = clock
        self._published = -1
        self._saved = -1
        self._logged = 0
        self._idle_since = clock()

    def publish(self) -> None:
        """The weights of now."""
        self._published = self._learner.updates
        self._outlet.publish_weights()

    def save_if_new(self) -> None:
        """A checkpoint, unless the last one is of now."""
        if self._learner.updates > self._saved:
            self._save()

    def round(self, executed: int) -> None:
        """Handle what came, and do what is due.

        Args:
            executed: training steps so far, as the actor reports them.
        """
        owing = self._learner.owed > 0
        if owing:
            self._idle_since = self._clock()
        else:
            self._rest()
        if not owing and self._arrivals.misses(executed):
            self._outlet.take_in_missing()
            self._arrivals.noticed()
        self._outlet.handle_message(0.0 if owing else IDLE_SECONDS)
        for _ in range(CALLBACKS_PER_ROUND - 1):
            self._outlet.handle_message(0.0)
        if owing:
            self._work()

    def _rest(self) -> None:
        """Nothing is owed: what was learned is handed out first, and saved a little later."""
        if self._learner.updates > self._published:
            self.publish()
        elif self._clock() - self._idle_since > SAVE_AFTER:
            self.save_if_new()

    def _work(self) -> None:
        learner, config = self._learner, self._learner.config
        learner.update()
        if learner.updates - self._published >= config.publish_every:
            self.publish()
        if learner.updates - self._saved >= config.checkpoint_every:
            self._save()
        if learner.updates - self._logged >= LOG_EVERY:
            self._logged = learner.updates
            self._outlet.log_metrics()

    def _save(self) -> None:
        self._saved = self._learner.updates
        self._outlet.save()
