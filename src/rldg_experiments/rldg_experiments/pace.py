# SPDX-License-Identifier: Apache-2.0
"""How long the rest takes: typical times, corrected by what this machine needed for stages of the same kind."""

from __future__ import annotations

from collections.abc import Iterable

from rldg_experiments.stages import Stage, StudentTraining
from rldg_experiments.store import note_of


def seconds_left(stages: Iterable[Stage]) -> float:
    """Estimate for those of the stages that are not finished [s]."""
    spent: dict[str, float] = {}
    typical: dict[str, float] = {}
    left: dict[str, float] = {}
    for stage in stages:
        kind = _kind(stage)
        note = note_of(stage)
        if note is None:
            left[kind] = left.get(kind, 0.0) + stage.typical_seconds
        elif not note.resumed:
            spent[kind] = spent.get(kind, 0.0) + note.seconds
            typical[kind] = typical.get(kind, 0.0) + stage.typical_seconds
    return sum(
        seconds * (spent[kind] / typical[kind] if kind in spent else 1.0)
        for kind, seconds in left.items()
    )


def _kind(stage: Stage) -> str:
    """Stages that are as fast as each other; students differ."""
    return stage.KIND + (stage.called if isinstance(stage, StudentTraining) else "")
