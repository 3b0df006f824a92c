# SPDX-License-Identifier: Apache-2.0
"""Two policies on the same starts: how much more often one succeeds, and how much faster it is where both do.

Success: the difference of the rates with Newcombe's interval (`rldg_core/rate_intervals.py`), and the exact test of
McNemar: the two-sided binomial test on the episodes that only one of them solved. Cycle time and greatest force: the
mean difference over the episodes that both solved, with the bias-corrected and accelerated bootstrap interval (Efron
1987). Successes per 10 minutes: the difference of the two, with the delta method's interval for pairs
(`rldg_core/throughput.py`). All intervals are of 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap

from rldg_core.rate_intervals import newcombe
from rldg_core.throughput import successes_per_10_minutes, throughput_difference
from rldg_rl.evaluation.results import Record, attempts_of

Pair = tuple[Record, Record]
RESAMPLES = 9999


@dataclass(frozen=True)
class MeanDifference:
    """Of a quantity over the episodes that both solved, in its unit."""

    episodes: int
    first: float
    """mean"""
    second: float
    """mean"""
    difference: float
    """first minus second"""
    ci95: tuple[float, float] | None
    """None: one episode tells no spread"""


@dataclass(frozen=True)
class ThroughputDifference:
    """Of the successes per 10 minutes over all pairs."""

    first: float
    second: float
    difference: float
    """first minus second"""
    ci95: tuple[float, float] | None
    """None: one pair tells no spread"""


@dataclass(frozen=True)
class PairedComparison:
    """Two policies on the same episodes."""

    pairs: int
    both: int
    """solved by both"""
    only_first: int
    only_second: int
    neither: int
    difference: float
    """success rate of the first minus that of the second"""
    ci95: tuple[float, float]
    p: float
    """of McNemar's exact test"""
    cycle: MeanDifference | None
    """[s] until success; None where they solved no episode both"""
    successes_per_10_minutes: ThroughputDifference
    peak_force_per_success: MeanDifference | None
    """[N] of the episodes' greatest forces; None where they solved no episode both"""

    @property
    def successes(self) -> tuple[int, int]:
        """Of the first and of the second."""
        return self.both + self.only_first, self.both + self.only_second


def compare_pairs(pairs: Sequence[Pair]) -> PairedComparison:
    """Set the episodes of one policy against those of another; there is one pair at least."""
    outcomes = [(first.success, second.success) for first, second in pairs]
    both, only_first, only_second, neither = (
        outcomes.count(outcome)
        for outcome in ((True, True), (True, False), (False, True), (False, False))
    )
    solved = [(first, second) for first, second in pairs if first.success and second.success]
    return PairedComparison(
        pairs=len(pairs),
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        difference=(only_first - only_second) / len(pairs),
        ci95=newcombe(both, only_first, only_second, neither),
        p=mcnemar(only_first, only_second),
        cycle=_mean_difference([(a.seconds, b.seconds) for a, b in solved]),
        successes_per_10_minutes=_throughput_difference(pairs),
        peak_force_per_success=_mean_difference([(a.peak_force, b.peak_force) for a, b in solved]),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of the exact test; 1 where no episode tells them apart."""
    apart = only_first + only_second
    return float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0


def _mean_difference(both: Sequence[tuple[float, float]]) -> MeanDifference | None:
    """From the values of the first and the second."""
    if not both:
        return None
    values = np.array(both)
    first, second = values.mean(axis=0).tolist()
    interval = _mean_interval(values[:, 0] - values[:, 1])
    return MeanDifference(len(both), first, second, first - second, interval)


def _throughput_difference(pairs: Sequence[Pair]) -> ThroughputDifference:
    ours, others = (attempts_of([pair[side] for pair in pairs]) for side in (0, 1))
    first, second = successes_per_10_minutes(ours), successes_per_10_minutes(others)
    assert first is not None and second is not None  # there is one pair at least
    found = throughput_difference(ours, others)
    return ThroughputDifference(first.value, second.value, found.value, found.ci95)


def _mean_interval(values: np.ndarray) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    if np.ptp(values) == 0.0:
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
