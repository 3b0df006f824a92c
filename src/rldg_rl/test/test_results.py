# SPDX-License-Identifier: Apache-2.0
"""Records of episodes on disk, and the figures that they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from rldg_core.user_error import UserError
from rldg_rl.evaluation.results import (
    Record,
    RecordFile,
    judge,
    summarize_records,
    wilson,
    worth_filming,
)

WON = Record("connector/vga", 0, 7, True, 1.5, 15, 12.0, 0.5, None)
LOST = replace(WON, success=False, seconds=10.0, steps=100, peak_force=30.0, failure="timed out")


def test_a_cut_off_line_is_mended_and_the_rest_kept(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "episodes.jsonl")
    assert file.mend() == []
    file.add(WON)
    file.add(LOST)
    with file.path.open("a") as stream:
        stream.write('{"task": "connector/v')
    assert file.read() == [WON, LOST]
    assert file.mend() == [WON, LOST]
    file.add(WON)
    assert file.read() == [WON, LOST, WON]


@pytest.mark.parametrize("line", ["{}", "nonsense", '["a"]', '{"task": "connector/vga"}'])
def test_a_line_that_is_no_record_is_reported(tmp_path: Path, line: str) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=r"line 1 of .*episodes\.jsonl is no record"):
        RecordFile(path).read()


def test_an_end_that_is_no_record_is_reported_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_bytes(b"\xff what somebody wrote")
    with pytest.raises(UserError, match=r"the end of .* is no record"):
        RecordFile(path).mend()
    assert path.read_bytes() == b"\xff what somebody wrote"


def test_cycle_time_is_of_successes_and_wrench_of_all() -> None:
    judged = judge([WON, WON, LOST, replace(LOST, failure="gate stop")])
    assert judged["success_rate"] == 0.5 and judged["mean_cycle_seconds"] == 1.5
    assert judged["peak_force_per_success"] == {"value": 12.0, "ci95": [12.0, 12.0]}
    assert judged["successes_per_10_minutes"]["value"] == round(1200 / (2 * 1.5 + 20.0 + 6.0), 3)
    assert judged["peak_force"] == {"median": 21.0, "p95": pytest.approx(30.0)}
    assert judged["failures"] == {"timed out": 1, "gate stop": 1}


def test_episodes_that_a_person_led_in_are_counted() -> None:
    assert judge([WON, replace(WON, lead_in=12), replace(LOST, lead_in=100)])["led_in"] == 2


def test_no_episodes_make_no_figures() -> None:
    judged = judge([])
    assert judged["success_rate"] is None and judged["ci95"] == [0.0, 1.0]
    assert judged["peak_torque"] == {"median": None, "p95": None} and judged["failures"] == {}


def test_several_tasks_are_reported_one_by_one_and_by_what_was_seen() -> None:
    assert set(summarize_records([WON, LOST])) == {"evaluation"}
    unseen = replace(LOST, task="connector/xlr")
    summary = summarize_records([WON, WON, unseen])
    assert summary["evaluation"]["successes"] == 2 and summary["evaluation"]["episodes"] == 3
    assert summary["evaluations"]["connector/xlr"] == judge([unseen]) == summary["unseen"]
    assert summary["seen"] == judge([WON, WON])


def test_the_first_failures_are_filmed_and_without_any_the_first_successes() -> None:
    won = [replace(WON, number=number) for number in range(9)]
    assert worth_filming(won) == won[:6]
    assert worth_filming([*won, LOST]) == [LOST]


def test_wilson_intervals_hold_their_edges() -> None:
    assert wilson(0, 0) == [0.0, 1.0]
    low, high = wilson(20, 20)
    assert low == pytest.approx(0.8389, abs=1e-3) and high == 1.0


def test_wilson_intervals_are_scipys() -> None:
    for episodes in (1, 2, 3, 20, 57, 100, 1000):
        for successes in range(0, episodes + 1, max(1, episodes // 25)):
            interval = binomtest(successes, episodes).proportion_ci(0.95, method="wilson")
            assert wilson(successes, episodes) == [round(float(end), 4) for end in interval]
