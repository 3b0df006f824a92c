# SPDX-License-Identifier: Apache-2.0
"""Successes per 10 minutes, and the intervals of means and ratios of means."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_core.estimates import mean_estimate, ratio_difference, ratio_estimate
from rldg_core.task import load_task
from rldg_core.throughput import attempts, successes_per_10_minutes, throughput_difference

VGA, FMB = "connector/vga", "fmb_insertion/rectangle"


def test_a_mean_has_the_normal_interval() -> None:
    found = mean_estimate(np.array([1.0, 2.0, 3.0, 6.0]))
    assert found is not None and found.ci95 is not None and found.value == 3.0
    error = np.std([1.0, 2.0, 3.0, 6.0], ddof=1) / 2
    assert found.ci95 == pytest.approx((3.0 - 1.95996 * error, 3.0 + 1.95996 * error), abs=1e-4)
    assert mean_estimate(np.array([])) is None
    one = mean_estimate(np.array([7.0]))
    assert one is not None and (one.value, one.ci95) == (7.0, None)


def test_every_tasks_reset_counts_with_its_own_time() -> None:
    found = successes_per_10_minutes(attempts([(VGA, True, 2.0), (FMB, False, 10.0)]))
    resets = load_task(VGA).reset_seconds + load_task(FMB).reset_seconds
    assert resets == 1.5 + 4.0
    assert found is not None and found.value == pytest.approx(600 / (2.0 + 10.0 + resets))


def test_no_success_has_an_upper_limit_and_no_episode_no_figure() -> None:
    found = successes_per_10_minutes(attempts([(VGA, False, 8.5)] * 60))  # ten minutes
    assert found is not None and found.value == 0.0
    assert found.ci95 == pytest.approx((0.0, 3.6889), abs=1e-4), "Garwood's for no event"
    assert successes_per_10_minutes(attempts([])) is None


def test_the_interval_is_not_below_zero() -> None:
    found = successes_per_10_minutes(attempts([(VGA, True, 2.0)] + [(VGA, False, 10.0)] * 9))
    assert found is not None and found.ci95 is not None
    assert 0.0 == found.ci95[0] < found.value < found.ci95[1]


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)

    def draw(rate: float) -> tuple[np.ndarray, np.ndarray]:
        success = (rng.random(100) < rate).astype(float)
        return 600 * success, np.where(success, rng.uniform(1, 3, 100), 10.0) + 1.5

    truth = {rate: 600 * rate / (rate * 2.0 + (1 - rate) * 10.0 + 1.5) for rate in (0.6, 0.9)}
    inside, apart = 0, 0
    for _ in range(1000):
        first, second = draw(0.9), draw(0.6)
        limits = ratio_estimate(*first).ci95
        difference = ratio_difference(first, second).ci95
        assert limits is not None and difference is not None
        inside += limits[0] <= truth[0.9] <= limits[1]
        apart += difference[0] <= truth[0.9] - truth[0.6] <= difference[1]
    assert 915 <= inside <= 975 and 915 <= apart <= 975


def test_pairs_that_go_alike_differ_by_nothing() -> None:
    episodes = attempts([(VGA, True, 2.0), (VGA, True, 3.0), (VGA, False, 10.0)])
    found = throughput_difference(episodes, episodes)
    assert found.value == 0.0 and found.ci95 == (0.0, 0.0)
