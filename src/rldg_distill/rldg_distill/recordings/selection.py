# SPDX-License-Identifier: Apache-2.0
"""Which bags become episodes, in which order, in which split: decided by their summaries alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from rldg_core.vocabulary import EpisodeStatus
from rldg_distill.recordings.condition import Condition, unmet
from rldg_distill.recordings.identity import name_rank


class BagDescription(Protocol):
    """What filters look at: the summary of a bag, or what a bag made elsewhere is taken for."""

    @property
    def source(self) -> str:
        """One of `Source`."""

    @property
    def status(self) -> str:
        """One of `OUTCOMES`."""

    @property
    def task(self) -> str:
        """family/variant."""

    @property
    def embodiment(self) -> str:
        """Of the robot."""

    @property
    def region(self) -> str:
        """Where the task is set up."""

    @property
    def domain(self) -> str:
        """See `rldg_core.provenance`."""


@dataclass(frozen=True)
class Filters:
    """What of the bags is wanted. An empty tuple takes everything."""

    sources: tuple[str, ...] = ()
    """of `Source`"""
    statuses: tuple[str, ...] = (EpisodeStatus.SUCCESS,)
    """of `OUTCOMES`"""
    tasks: tuple[str, ...] = ()
    """`family/variant`, or `family` for all its variants"""
    count: int | None = None
    """at most so many episodes, evenly over the tasks"""
    where: tuple[Condition, ...] = ()
    """conditions on where they come from"""

    def reason_against(self, episode: BagDescription) -> str | None:
        """Why an episode is left out; None if it is not."""
        if self.sources and episode.source not in self.sources:
            return f"source {episode.source}"
        if self.statuses and episode.status not in self.statuses:
            return f"status {episode.status}"
        if self.tasks and not {episode.task, episode.task.split("/")[0]} & set(self.tasks):
            return f"task {episode.task}"
        return unmet(self.where, episode)

    def to_json(self) -> dict[str, Any]:
        """For the dataset's contract; without `where` as it was before there was one."""
        stated = {name: value for name, value in asdict(self).items() if name != "where"}
        return stated | ({"where": [str(each) for each in self.where]} if self.where else {})


@dataclass(frozen=True)
class Candidate:
    """A bag that passed the filters."""

    path: Path
    task: str
    content: str = ""
    """tells it from others of its name; empty where it is the only one"""

    @property
    def rank(self) -> tuple[str, str]:
        """Orders bags at random, the same way on every machine."""
        return name_rank(self.path), self.content


def choose(candidates: list[Candidate], count: int | None) -> list[Candidate]:
    """At most `count` of them, as many of every task as there are, in the order of their ranks."""
    ranked = sorted(candidates, key=lambda c: c.rank)
    if count is None:
        return ranked
    nth: Counter[str] = Counter()
    turns = []
    for candidate in ranked:
        turns.append((nth[candidate.task], candidate))
        nth[candidate.task] += 1
    turns.sort(key=lambda turn: (turn[0], turn[1].rank))
    return sorted((candidate for _, candidate in turns[:count]), key=lambda c: c.rank)


def split(candidates: list[Candidate], fraction: float) -> dict[str, list[Candidate]]:
    """`train` and `val`; every task with two episodes or more is in both, and neither split is empty.

    Raises:
        ValueError: fewer than two episodes, or a fraction outside of (0, 1).
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"the fraction for val is {fraction}, but must lie between 0 and 1")
    if not candidates:
        raise ValueError("no bag could be converted")
    if len(candidates) < 2:
        raise ValueError("one episode cannot fill the splits train and val: give at least two")
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.task, []).append(candidate)
    held_out: set[Path] = set()
    for group in groups.values():
        if len(group) > 1:
            wanted = min(max(1, round(len(group) * fraction)), len(group) - 1)
            held_out |= {c.path for c in group[:wanted]}
    if not held_out:
        held_out = {candidates[0].path}
    return {
        "train": [c for c in candidates if c.path not in held_out],
        "val": [c for c in candidates if c.path in held_out],
    }
