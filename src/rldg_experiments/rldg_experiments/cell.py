# SPDX-License-Identifier: Apache-2.0
"""One entry of the comparison: some policies, judged on some tasks."""

from __future__ import annotations

from dataclasses import dataclass

from rldg_experiments.stages import Evaluation

SPECIALIST = "specialist"
WHERE = ("seen", "unseen")


@dataclass(frozen=True)
class Cell:
    """One entry of the comparison: some policies, judged on some tasks."""

    family: str
    policy: str
    """a student as the experiment calls it, or `specialist`"""
    source: str
    """where its data came from; a specialist's own: empty"""
    episodes: int
    """that it learned from; specialists: 0"""
    where: str
    """seen or unseen"""
    evaluations: tuple[Evaluation, ...]
