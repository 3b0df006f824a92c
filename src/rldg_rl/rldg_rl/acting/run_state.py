# SPDX-License-Identifier: Apache-2.0
"""Where a run stands: its episodes so far, and the one that is open."""

from __future__ import annotations

from collections.abc import Callable

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import ExecutedBy, Source
from rldg_rl.acting.collection import Collection
from rldg_rl.acting.pace import StepRate
from rldg_rl.acting.schedule import RunProgress
from rldg_rl.run_folder import RunFolder

Count = Callable[[list[EpisodeSummary], frozenset[str]], RunProgress | Collection]
"""see `mode.Mode.count`"""


class RunState:
    """Read from the run's bags alone, and kept up to date while episodes run."""

    def __init__(self, run: RunFolder, count: Count) -> None:
        """Nothing is known of the run yet.

        Args:
            run: whose bags are counted.
            count: how far it has come with some episodes.
        """
        self._run = run
        self._count = count
        self._earlier: frozenset[str] = frozenset()
        self.progress = count([], self._earlier)
        """how far the run has come"""
        self.source = ""
        """of the last episode that began, or is about to; empty: there was none"""
        self.number = 0
        """that its start is drawn from: see `Logbook.trial`"""
        self.steps = 0
        """of the open episode"""
        self.pace = StepRate()
        """at which steps are executed"""
        self._lead_in = 0

    def start(self) -> None:
        """Count what earlier starts of the run left."""
        episodes = self._run.episodes()
        self._earlier = frozenset(episode.episode_id for episode in episodes)
        self.progress = self._count(episodes, self._earlier)

    def recount(self) -> None:
        """Count again what is on disk."""
        self.progress = self._count(self._run.episodes(), self._earlier)

    def next_episode(self, source: str) -> str:
        """Name the one that is about to begin."""
        number = self._run.next_episode_number(source)
        self.source, self.number = source, self.progress.trial(source, number)
        return f"{source}_{number:05d}"

    def opened(self) -> None:
        """An episode has begun."""
        self.steps = self._lead_in = 0

    def count_step(self, executed_by: ExecutedBy) -> None:
        """A step of it was executed."""
        self.pace.count()
        self.steps += 1
        self._lead_in += executed_by is ExecutedBy.DEMONSTRATION

    def closed(self, episode: EpisodeSummary) -> None:
        """It is over."""
        self.progress.add(episode)
        self.steps = self._lead_in = 0

    @property
    def policy_steps(self) -> int:
        """Steps of a policy so far, those of the open episode included; those of its lead-in are none."""
        own = self.steps - self._lead_in
        return self.progress.steps + (own if self.source == Source.POLICY else 0)
