# SPDX-License-Identifier: Apache-2.0
"""Collection: episodes for a dataset, of trained policies or of a person; teleoperation is one of them."""

from __future__ import annotations

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import Source
from rldg_rl.acting.actor import Policy
from rldg_rl.acting.collection import Collection, CollectionPlan
from rldg_rl.acting.run_state import RunState
from rldg_rl.modes.context import Context
from rldg_rl.modes.nothing_learned import NothingLearned


class Collect(NothingLearned):
    """Implements `mode.Mode`."""

    fixed = ()

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        given = context.parameters
        self.plan = CollectionPlan(
            tuple(context.tasks),
            given.source,
            given.episodes,
            endless=given.episodes == 0,
            status=given.status,
        )

    def count(self, episodes: list[EpisodeSummary], earlier: frozenset[str]) -> Collection:
        """See `mode.Mode`."""
        return Collection(self.plan, episodes, earlier)

    def leader(self, source: str, task: str) -> Policy | None:
        """See `mode.Mode`."""
        return None if source == Source.DEMONSTRATION else self.policies[task]

    def report(self, state: RunState, wall_seconds: float) -> None:
        """See `mode.Mode`."""
        # No start waits for what only an end needs.
        from rldg_rl.report import report_collection  # noqa: PLC0415

        assert isinstance(state.progress, Collection)
        given, run = self._context.parameters, self._context.run
        report_collection(
            run, state.progress, given.seed, wall_seconds, str(given.jury), video=given.video
        )
