# SPDX-License-Identifier: Apache-2.0
"""What an evaluation left: the only place that knows its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t

from rldg_core.estimates import Estimate, mean_estimate
from rldg_core.files.checked_file import FormatError, parse_json, read_bytes
from rldg_core.rate_intervals import wilson
from rldg_core.run_paths import RunPaths
from rldg_core.throughput import attempts
from rldg_core.throughput import successes_per_10_minutes as throughput


@dataclass(frozen=True)
class EpisodeOutcome:
    """One episode."""

    task: str
    """family/variant"""
    success: bool
    seconds: float
    """[s] of robot time"""
    peak_force: float
    """[N] the greatest that was measured at a control step"""
    number: int
    """among the episodes of its task: the same number has the same start, whoever acts"""
    failure: str | None = None
    """class of the failure, see docs/how-to/evaluate.md; None: it succeeded"""


@dataclass(frozen=True)
class Interval:
    """A number and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float


def outcomes(folder: Path) -> list[EpisodeOutcome]:
    """Of every episode.

    Raises:
        FormatError: a line is damaged, or there is none.
        OSError: the file cannot be read.
    """
    path = RunPaths(folder).records
    fix = f"Delete {folder}, and it is evaluated again"
    lines = read_bytes(path).splitlines()
    if not lines:
        raise FormatError(f"{path} names no episode. {fix}")
    return [
        parse_json(line, EpisodeOutcome, f"{path}, line {number}", fix=fix)
        for number, line in enumerate(lines, start=1)
    ]


def video(folder: Path) -> Path:
    """Film of the first failures; where there are none, of the first successes."""
    return RunPaths(folder).videos / "evaluation.mp4"


def success_rate(episodes: Sequence[EpisodeOutcome]) -> Interval:
    """Share of successes, with Wilson's interval."""
    successes = sum(e.success for e in episodes)
    return Interval(successes / len(episodes), *wilson(successes, len(episodes)))


def cycle_seconds(episodes: Sequence[EpisodeOutcome]) -> Interval | None:
    """Mean duration of the successes [s], with Student's interval; None for fewer than two."""
    seconds = [e.seconds for e in episodes if e.success]
    if len(seconds) < 2:
        return None
    mean, error = float(np.mean(seconds)), float(np.std(seconds, ddof=1)) / len(seconds) ** 0.5
    reach = float(t.ppf(0.975, len(seconds) - 1)) * error
    return Interval(mean, max(mean - reach, 0.0), mean + reach)


def successes_per_10_minutes(episodes: Sequence[EpisodeOutcome]) -> Interval | None:
    """Resets counted in, with the delta method's interval; None for a single success or no episode."""
    return _interval(throughput(attempts((e.task, e.success, e.seconds) for e in episodes)))


def peak_force_per_success(episodes: Sequence[EpisodeOutcome]) -> Interval | None:
    """Mean of the successes' greatest forces [N]; None for fewer than two."""
    return _interval(mean_estimate(np.array([e.peak_force for e in episodes if e.success])))


def _interval(found: Estimate | None) -> Interval | None:
    return None if found is None or found.ci95 is None else Interval(found.value, *found.ci95)
