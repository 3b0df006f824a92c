# SPDX-License-Identifier: Apache-2.0
"""Estimates of what stages need: typical times, corrected by what this machine needed for stages of the same kind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rldg_experiments.stages import CORES, Stage, StudentTraining
from rldg_experiments.store import Note, note_of


@dataclass(frozen=True)
class Effort:
    """What some stages need."""

    seconds: float
    """[s] on the clock"""
    cpu_seconds: float
    """[s] of processor time"""


def estimated(stage: Stage, stages: Iterable[Stage]) -> Effort:
    """Of one stage, by those of its kind that are finished; none is: as a typical time on two busy cores says."""
    alike = [
        (other, note)
        for other in stages
        if _kind(other) == _kind(stage) and (note := note_of(other)) and not note.resumed
    ]
    typical = stage.typical_seconds
    measured = [(other, note) for other, note in alike if note.cpu_seconds is not None]
    return Effort(
        typical * _ratio([(other, note.seconds) for other, note in alike]),
        typical * _ratio([(other, _cpu_seconds(note)) for other, note in measured], CORES),
    )


def estimate_left(stages: Sequence[Stage], jobs: int) -> Effort:
    """Of those that are not finished, so many side by side: no less than the longest chain of them, nor than what all
    cores need for their processor time.
    """
    efforts = {s.artefact: estimated(s, stages) for s in stages if note_of(s) is None}
    chains: dict[object, float] = {}
    for stage in stages:  # what is needed comes first
        if stage.artefact in efforts:
            before = max((chains.get(other.artefact, 0.0) for other in stage.needs), default=0.0)
            chains[stage.artefact] = before + efforts[stage.artefact].seconds
    total = sum(effort.seconds for effort in efforts.values())
    cpu_total = sum(effort.cpu_seconds for effort in efforts.values())
    least = (total / jobs, cpu_total / (os.cpu_count() or 1), *chains.values())
    return Effort(max(least), cpu_total)


def _ratio(measured: Sequence[tuple[Stage, float]], unknown: float = 1.0) -> float:
    """Of what was measured to the typical time."""
    if not measured:
        return unknown
    return sum(seconds for _, seconds in measured) / sum(s.typical_seconds for s, _ in measured)


def _cpu_seconds(note: Note) -> float:
    assert note.cpu_seconds is not None
    return note.cpu_seconds


def _kind(stage: Stage) -> str:
    """Stages that are as fast as each other; students differ."""
    return stage.KIND + (stage.called if isinstance(stage, StudentTraining) else "")
