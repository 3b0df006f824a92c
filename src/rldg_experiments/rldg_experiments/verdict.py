# SPDX-License-Identifier: Apache-2.0
"""Whether a claim held, was reversed or is open: by the 95 % interval of a difference over paired starts and seeds.

The interval is about other starts and other trainings. Over starts it is Newcombe's for rates, the delta method's
for other metrics; several trainings from the same start count as one start. Over trainings it is Student's of their
differences, each training of one arm beside that of the other with the same seed. The two reaches are joined as the
root of the sum of their squares, which leaves out the part that two-way clustering would subtract again (Cameron,
Gelbach and Miller, J. Business & Economic Statistics 29, 2011, 238-249), and is so on the side of caution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from rldg_core.estimates import ratio_difference, ratio_estimate
from rldg_core.rate_intervals import newcombe, wilson
from rldg_experiments.claim_settings import ClaimSettings
from rldg_experiments.evaluation import EpisodeOutcome
from rldg_experiments.metric import Metric

HELD, REVERSED, OPEN = "held", "reversed", "open"
Start = tuple[str, int]
"""a task, and the number of the episode"""
Outcomes = Mapping[int, Mapping[Start, Sequence[EpisodeOutcome]]]
"""of an arm, by seed of its training; of several policies that are one arm, each from every start"""


@dataclass(frozen=True)
class ClaimDecision:
    """What decides a claim. Values are in the metric's unit."""

    first: float | None
    """of the claim's first arm; None: no episode says"""
    second: float | None
    """of its second; None where there is none, too"""
    margin: float | None
    """by how much the claim is kept: positive where it is"""
    low: float | None
    """end of the margin's interval; None: too few episodes tell no spread"""
    high: float | None
    starts: int
    """that decide: pairs of them where two arms are compared"""
    seeds: int
    """trainings of each arm"""
    verdict: str
    """held: the whole interval keeps the claim; reversed: none of it does; open"""


@dataclass(frozen=True)
class _Table:
    """Of an arm: numerators and denominators of a metric, (seeds, starts)."""

    over: np.ndarray
    under: np.ndarray

    def value(self) -> float:
        """Of all together; NaN where nothing says."""
        return float(_quotient(self.over.sum(), self.under.sum()))

    def values(self) -> np.ndarray:
        """Of every seed, (seeds,)."""
        return _quotient(self.over.sum(1), self.under.sum(1))


@dataclass(frozen=True)
class _Form:
    """The margin of a claim: sign · (first − factor · second) − shift; without a second arm, its value is 0."""

    sign: float
    factor: float
    shift: float

    def margin(self, difference: float) -> float:
        """Of a value of first − factor · second."""
        return self.sign * difference - self.shift


def decide_claim(
    settings: ClaimSettings, first: Outcomes, second: Outcomes | None
) -> ClaimDecision:
    """Decide a claim.

    Args:
        settings: what is claimed.
        first: of its first arm.
        second: of its second; None: there is none. Seeds and starts that only one of the two has are left out.
    """
    metric, form = settings.metric, _form(settings)
    arms = [first] if second is None else [first, second]
    seeds = sorted(set.intersection(*(set(arm) for arm in arms)))
    starts = sorted(set.intersection(*(set(arm[seed]) for arm in arms for seed in seeds)))
    table = _table(metric, first, seeds, starts)
    other = None if second is None else _table(metric, second, seeds, starts)
    if metric.of_successes:
        table, other = _where_both_succeed(table, other)
    difference = table.value() - (form.factor * other.value() if other else 0.0)
    ends = _ends(
        form, difference, _over_starts(metric, form, table, other), _over_seeds(form, table, other)
    )
    return ClaimDecision(
        first=_known(table.value()),
        second=_known(other.value()) if other else None,
        margin=_known(form.margin(difference)),
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        starts=int((table.under.sum(0) > 0).sum()),
        seeds=len(seeds),
        verdict=_verdict(ends, strict=bool(settings.better)),
    )


def _form(settings: ClaimSettings) -> _Form:
    if settings.better:
        return _Form(1.0 if settings.metric.larger_is_better else -1.0, 1.0, settings.by)
    assert settings.bound is not None
    sign = 1.0 if settings.at_most is None else -1.0
    return (
        _Form(sign, settings.bound, 0.0)
        if settings.relative_to
        else _Form(sign, 0.0, sign * settings.bound)
    )


def _table(metric: Metric, arm: Outcomes, seeds: Sequence[int], starts: Sequence[Start]) -> _Table:
    """Of several policies that are one arm, the mean."""

    def means(part: Callable[[EpisodeOutcome], float]) -> np.ndarray:
        return np.array([[np.mean([*map(part, arm[s][start])]) for start in starts] for s in seeds])

    return _Table(means(metric.numerator), means(metric.denominator))


def _where_both_succeed(table: _Table, other: _Table | None) -> tuple[_Table, _Table | None]:
    """Every start counts once where both arms succeeded with the same seed; without another arm, where this one did."""
    counts = table.under > 0 if other is None else (table.under > 0) & (other.under > 0)

    def kept(each: _Table) -> _Table:
        return _Table(np.where(counts, _quotient(each.over, each.under), 0.0), counts.astype(float))

    return kept(table), kept(other) if other else None


def _over_starts(
    metric: Metric, form: _Form, table: _Table, other: _Table | None
) -> tuple[float, float] | None:
    """Interval of first − factor · second if the trainings stay as they are."""
    if metric.is_rate:
        return _of_rates(form.factor, table.over, other.over if other else None)
    there = (table.under.sum(0) > 0) if other is None else (table.under * other.under).sum(0) > 0
    if not there.any():
        return None
    ours = table.over.sum(0)[there], table.under.sum(0)[there]
    if other is None:
        return ratio_estimate(*ours).ci95
    others = form.factor * other.over.sum(0)[there], other.under.sum(0)[there]
    return ratio_difference(ours, others).ci95


def _of_rates(factor: float, rates: np.ndarray, others: np.ndarray | None) -> tuple[float, float]:
    """Rates (seeds, starts); the mean of the seeds counts once for every start."""
    if others is None:
        return wilson(float(rates.mean(0).sum()), rates.shape[1])
    joint = (rates * others, rates * (1 - others), (1 - rates) * others, (1 - rates) * (1 - others))
    both, only_first, only_second, neither = (float(each.mean(0).sum()) for each in joint)
    return newcombe(both, only_first, only_second, neither, factor)


def _over_seeds(form: _Form, table: _Table, other: _Table | None) -> float:
    """Reach of Student's interval of first − factor · second over the trainings; of one training unknown, here 0."""
    values = table.values() - (form.factor * other.values() if other else 0.0)
    if len(values) < 2:
        return 0.0
    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))


def _ends(
    form: _Form, difference: float, over_starts: tuple[float, float] | None, over_seeds: float
) -> tuple[float, float] | None:
    """Of the margin's interval; None: unknown."""
    if over_starts is None or not math.isfinite(over_seeds):
        return None
    low = difference - math.hypot(difference - over_starts[0], over_seeds)
    high = difference + math.hypot(over_starts[1] - difference, over_seeds)
    first, last = sorted((form.margin(low), form.margin(high)))
    return first, last


def _verdict(ends: tuple[float, float] | None, strict: bool) -> str:
    if ends is None:
        return OPEN
    if ends[0] > 0 or (ends[0] == 0 and not strict):
        return HELD
    return REVERSED if ends[1] < 0 else OPEN


def _quotient(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """NaN where the denominator is 0."""
    return np.divide(over, under, out=np.full(np.shape(over), np.nan), where=np.asarray(under) > 0)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
