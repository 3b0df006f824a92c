# SPDX-License-Identifier: Apache-2.0
"""A mode: the strategy that decides what a run does next, who leads, and what comes out in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.contract import Topic
from rldg_rl.acting.actor import Policy
from rldg_rl.acting.collection import Collection, CollectionPlan
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import RunPlan, RunProgress


class Mode(Protocol):
    """What is different between training, evaluation and collection."""

    @property
    def plan(self) -> RunPlan | CollectionPlan:
        """How much is wanted."""

    @property
    def fixed(self) -> tuple[str, ...]:
        """What of the run's configuration has to stay when it is resumed, beside the task."""

    @property
    def helped(self) -> bool:
        """Whether a person may take over from a policy."""

    @property
    def deterministic(self) -> bool:
        """Whether policies take the mean of their distribution."""

    @property
    def sees(self) -> bool:
        """Whether the learner needs images."""

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Who acts, by task; none where a person leads."""

    @property
    def topics(self) -> Mapping[Topic, Callable[[Any], None]]:
        """What it has to hear of its run, and what takes the messages."""

    def check(self) -> None:
        """Check that somebody can do what is wanted.

        Raises:
            UserError: it cannot be done.
        """

    def config(self) -> dict[str, Any]:
        """Its part of the run's configuration."""

    def load(self) -> None:
        """Get ready whoever has been trained already.

        Raises:
            UserError: one cannot be read, or does not fit.
        """

    def count(
        self, episodes: list[EpisodeSummary], earlier: frozenset[str]
    ) -> RunProgress | Collection:
        """How far the run has come; `earlier`: ids of the episodes of earlier starts."""

    def leader(self, source: str, task: str) -> Policy | None:
        """The policy that leads an episode; none where a person does."""

    def before_episode(self, source: str, state: RunState) -> None:
        """Wait for whoever is to lead it."""

    def before_step(self, state: RunState) -> None:
        """Wait for who must not be left behind.

        Raises:
            EpisodeAborted: the leader is gone.
        """

    def teaches(self, source: str) -> bool:
        """Whether the learner is sent the steps of an episode."""

    def finish(self) -> None:
        """The last episode is over: keep who was judged."""

    def report(self, state: RunState, wall_seconds: float) -> None:
        """Write what came out."""
