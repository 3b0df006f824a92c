# SPDX-License-Identifier: Apache-2.0
"""What a claim can be about: a quantity of episodes, as a quotient of two sums over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rldg_core.task import load_task
from rldg_core.throughput import TEN_MINUTES
from rldg_experiments.evaluation import EpisodeOutcome


@dataclass(frozen=True)
class Metric:
    """One quantity. Its value for some episodes is the sum of `numerator` over the sum of `denominator`."""

    words: str
    """in sentences"""
    unit: str
    """empty: a share, shown in percent"""
    larger_is_better: bool
    numerator: Callable[[EpisodeOutcome], float]
    denominator: Callable[[EpisodeOutcome], float]
    of_successes: bool = False
    """whether two policies are compared on those starts alone from which both succeed"""

    @property
    def is_rate(self) -> bool:
        """Whether it is a share of episodes."""
        return not self.unit

    def shown(self, value: float, signed: bool = False) -> str:
        """A value in words."""
        sign = "+" if signed else ""
        return f"{100 * value:{sign}.0f} %" if self.is_rate else f"{value:{sign}.2f} {self.unit}"


def _success(episode: EpisodeOutcome) -> float:
    return float(episode.success)


def _with_reset(episode: EpisodeOutcome) -> float:
    """[s] as `rldg_core.throughput` counts them."""
    return episode.seconds + load_task(episode.task).reset_seconds


METRICS = {
    "success": Metric("success", "", True, _success, lambda episode: 1.0),
    "cycle_time": Metric(
        "cycle time",
        "s",
        False,
        lambda episode: episode.seconds * episode.success,
        _success,
        of_successes=True,
    ),
    "successes_per_10_minutes": Metric(
        "successes per 10 minutes", "/10 min", True, lambda e: TEN_MINUTES * e.success, _with_reset
    ),
    "peak_force_per_success": Metric(
        "peak force per success",
        "N",
        False,
        lambda episode: episode.peak_force * episode.success,
        _success,
        of_successes=True,
    ),
}
"""by the name that a claim's `of_what` gives"""
