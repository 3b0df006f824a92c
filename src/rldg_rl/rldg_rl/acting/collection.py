# SPDX-License-Identifier: Apache-2.0
"""What a collection does next: an even mix of tasks, until there are enough episodes that count.

It follows from the run's episodes alone, so that a collection goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import EpisodeStatus
from rldg_rl.acting.schedule import Logbook

ALL = "all"
"""in place of a status: any outcome"""
HOPELESS = 20
"""episodes of a task that fail in a row, in one start, until the collection is given up"""


@dataclass(frozen=True)
class CollectionPlan:
    """What is collected."""

    tasks: tuple[str, ...]
    """family/variant each"""
    source: str
    """demonstration or policy: who leads"""
    episodes: int
    """that count, over all tasks together"""
    endless: bool = False
    """until somebody stops it, however many there are"""
    status: str = EpisodeStatus.SUCCESS
    """of the episodes that count; ALL: whatever their outcome"""

    @property
    def shares(self) -> dict[str, int]:
        """Episodes of every task that count; where they do not divide evenly, the first tasks have one more."""
        each, left = divmod(self.episodes, len(self.tasks))
        return {task: each + (index < left) for index, task in enumerate(self.tasks)}


class Collection(Logbook):
    """How far a collection has come."""

    def __init__(
        self,
        plan: CollectionPlan,
        episodes: Sequence[EpisodeSummary] = (),
        earlier: frozenset[str] = frozenset(),
    ) -> None:
        """A collection as its episodes tell it.

        Args:
            plan: what is collected.
            episodes: all of them so far.
            earlier: ids of those of earlier starts: whoever led them may have learned since.
        """
        super().__init__(episodes)
        self.plan = plan
        self._earlier = earlier

    def of(self, task: str) -> list[EpisodeSummary]:
        """Episodes of a task that ended by themselves."""
        return [e for e in self.finished(self.plan.source) if e.task == task]

    def counted(self, task: str) -> list[EpisodeSummary]:
        """Those of them that count."""
        return [e for e in self.of(task) if self.plan.status in (ALL, e.status)]

    @property
    def missing(self) -> dict[str, int]:
        """Episodes that every task still lacks."""
        return {
            task: max(share - len(self.counted(task)), 0)
            for task, share in self.plan.shares.items()
        }

    @property
    def source(self) -> str | None:
        """Source of the next episode, or None when there are enough."""
        return self.plan.source if self.plan.endless or any(self.missing.values()) else None

    @property
    def task(self) -> str:
        """Task of the next episode: the one that lacks most, so that the mix is even at any moment."""
        missing = self.missing
        return max(self.plan.tasks, key=lambda task: missing[task])

    @property
    def trouble(self) -> str:
        """Why it makes no sense to go on; empty where it does."""
        new = [e for e in self.of(self.task) if e.episode_id not in self._earlier]
        last = new[-HOPELESS:]
        if (
            self.plan.endless
            or self.plan.status == ALL
            or len(last) < HOPELESS
            or any(e.status == EpisodeStatus.SUCCESS for e in last)
        ):
            return ""
        return (
            f"{HOPELESS} episodes of {self.task} failed in a row: look at their bags; "
            "who leads them, policy or person, cannot do this task"
        )

    @property
    def steps_left(self) -> float:
        """Estimate for the whole collection, failures included."""
        rate = max(self.success_rate(self.plan.source), 1 / HOPELESS, self.plan.status == ALL)
        return sum(self.missing.values()) / rate * self.mean_steps(self.plan.source)

    def phase(self, source: str) -> str:
        """What an episode is run for."""
        return "collection"

    def counts(self) -> dict[str, int]:
        """Fields of rldg_msgs/RunStatus."""
        return {
            "collected": sum(self.plan.shares.values()) - sum(self.missing.values()),
            "collected_wanted": self.plan.episodes,
            "episodes": len(self.finished(self.plan.source)),
        }
