# SPDX-License-Identifier: Apache-2.0
"""The statistics of pairs, against published examples and their own edges."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_rl.evaluation.paired import compare_pairs, mcnemar
from rldg_rl.evaluation.results import Record


def test_mcnemars_exact_test() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(1, 7) == mcnemar(7, 1) == pytest.approx(2 * 9 / 2**8)


def record(success: bool, seconds: float, force: float = 1.0) -> Record:
    return Record("connector/vga", 0, 0, success, seconds, 10, force, 1.0, None)


def test_cycle_times_are_compared_where_both_succeed() -> None:
    rng = np.random.default_rng(0)
    slow = [record(True, 3.0 + rng.normal(0, 0.2)) for _ in range(30)]
    fast = [record(True, 2.0 + rng.normal(0, 0.2)) for _ in range(30)]
    found = compare_pairs([*zip(slow, fast, strict=True), (record(False, 10.0), record(True, 1.0))])
    assert (found.pairs, found.both, found.only_second) == (31, 30, 1)
    assert found.difference == pytest.approx(-1 / 31)
    assert found.cycle is not None and found.cycle.ci95 is not None
    assert found.cycle.episodes == 30 and found.cycle.difference == pytest.approx(1.0, abs=0.2)
    assert 0.7 < found.cycle.ci95[0] < found.cycle.difference < found.cycle.ci95[1] < 1.3


def test_too_few_successes_tell_no_spread() -> None:
    one = compare_pairs([(record(True, 3.0), record(True, 2.0))])
    assert one.cycle is not None and one.cycle.difference == 1.0 and one.cycle.ci95 is None
    alike = compare_pairs([(record(True, 3.0), record(True, 2.0))] * 4)
    assert alike.cycle is not None and alike.cycle.ci95 == (1.0, 1.0)
    assert compare_pairs([(record(True, 3.0), record(False, 10.0))]).cycle is None


def test_throughput_is_compared_over_all_pairs_and_force_where_both_succeed() -> None:
    pairs = [(record(True, 2.0, 20.0 + i), record(True, 4.0, 10.0)) for i in range(9)]
    found = compare_pairs([*pairs, (record(True, 2.0, 50.0), record(False, 10.0, 60.0))])
    done, force = found.successes_per_10_minutes, found.peak_force_per_success
    assert done.first == pytest.approx(6000 / (10 * 3.5))
    assert done.second == pytest.approx(5400 / (9 * 5.5 + 11.5))
    assert done.difference == pytest.approx(done.first - done.second)
    assert done.ci95 is not None and 0.0 < done.ci95[0] < done.difference < done.ci95[1]
    assert force is not None and (force.episodes, force.first, force.second) == (9, 24.0, 10.0)
    assert force.ci95 is not None and force.ci95[0] < 14.0 < force.ci95[1]
    assert found == compare_pairs([*pairs, (record(True, 2.0, 50.0), record(False, 10.0, 60.0))])
