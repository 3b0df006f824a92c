# SPDX-License-Identifier: Apache-2.0
"""Intervals of rates, against published examples, against scipy, and at their own edges."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from rldg_core.rate_intervals import newcombe, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 20), (20, 20), (1, 3), (95, 100)])
def test_wilsons_interval_is_scipys(successes: int, count: int) -> None:
    interval = binomtest(successes, count).proportion_ci(0.95, method="wilson")
    assert wilson(successes, count) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize(
    ("table", "interval"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),  # Newcombe 1998, table II
        ((14, 5, 0, 22), (0.0115, 0.2265)),  # Altman et al., Statistics with confidence, 2000
        ((1, 1, 7, 12), (-0.507, -0.026)),  # Fagerland et al. 2014
    ],
)
def test_newcombes_interval(table: tuple[int, int, int, int], interval: tuple[float, ...]) -> None:
    assert newcombe(*table) == pytest.approx(interval, abs=1e-3)
    both, first, second, neither = table
    mirrored = newcombe(both, second, first, neither)
    assert mirrored == pytest.approx((-interval[1], -interval[0]), abs=1e-3)


@pytest.mark.parametrize("table", [(20, 0, 0, 0), (0, 0, 0, 20), (0, 20, 0, 0), (0, 0, 1, 0)])
def test_newcombes_interval_at_its_edges(table: tuple[int, int, int, int]) -> None:
    low, high = newcombe(*table)
    assert -1.0 <= low < high <= 1.0


def test_a_multiple_of_the_second_rate() -> None:
    low, high = newcombe(90, 0, 0, 10, factor=0.5)
    assert low < 0.9 - 0.5 * 0.9 < high
    assert newcombe(36, 12, 2, 0, factor=0.0) == pytest.approx(wilson(48, 50))


def test_repetitions_of_the_same_starts_are_no_more_starts() -> None:
    assert newcombe(36.0, 12.0, 2.0, 0.0) == newcombe(36, 12, 2, 0)
    low, high = newcombe(10.5, 2.5, 0.5, 6.5)
    assert low < 2 / 20 < high
