# SPDX-License-Identifier: Apache-2.0
"""The command that compares two evaluated policies."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rldg_rl.compare import main
from rldg_rl.results import Record, RecordFile

VGA, XLR = "connector/vga", "connector/xlr"


def records(task: str, solved: int, count: int = 20) -> list[Record]:
    """The first `solved` of the starts are."""
    return [
        Record(task, n, 1000 + n, n < solved, 2.0 if n < solved else 10.0, 20, 9.0, 0.5, None)
        for n in range(count)
    ]


def keep(folder: Path, lived: list[Record], moment: int) -> Path:
    """An evaluation that was finished at a moment."""
    folder.mkdir(parents=True)
    file = RecordFile(folder / "episodes.jsonl")
    for record in lived:
        file.add(record)
    os.utime(file.path, (moment, moment))
    return folder


def compared(capsys: pytest.CaptureFixture[str], *words: Path | str) -> dict[str, dict]:
    assert main([*map(str, words), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_episodes_with_the_same_start_are_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = keep(tmp_path / "first", records(VGA, 15), 1)
    others = [replace(record, number=99) for record in records(VGA, 10, 12)]
    second = keep(tmp_path / "second", [*reversed(others), *records(XLR, 5)], 1)
    found = compared(capsys, first, second)
    assert set(found) == {VGA}
    each = found[VGA]
    assert (each["both"], each["only_first"], each["only_second"], each["neither"]) == (10, 2, 0, 0)
    assert each["difference"] == pytest.approx(2 / 12) and each["p"] == pytest.approx(0.5)


def test_of_a_run_the_last_evaluation_of_every_task_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    keep(run / "evaluations" / "b", records(VGA, 3) + records(XLR, 4), 1)
    keep(run / "evaluations" / "a", records(VGA, 12), 2)
    other = keep(tmp_path / "other", records(VGA, 0) + records(XLR, 0), 1)
    found = compared(capsys, run, other)
    assert [found[name]["both"] + found[name]["only_first"] for name in (VGA, XLR)] == [12, 4]
    assert found["all"]["pairs"] == 40 and found["all"]["only_first"] == 16
    found = compared(capsys, run / "evaluations" / "b", other, "--task", "connector/seen")
    assert set(found) == {VGA} and found[VGA]["only_first"] == 3


def test_the_table_is_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = keep(tmp_path / "first", records(VGA, 20), 1)
    second = keep(tmp_path / "second", records(VGA, 5), 1)
    assert main([str(first), str(second)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"first: {first}" in told
    assert "connector/vga 20 100 % 25 % +75 [" in told and "connector/vga 5 2.00 s" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["first", "nowhere"], "holds no episodes.jsonl: evaluate it first"),
        (["first", "second"], r"no episode of the first (connector/vga) began as one of"),
        (["first", "first", "--task", "connector/scart"], "no task 'connector/scart'"),
        (["first", "first", "--task", "connector/unseen"], "no episode of the first"),
    ],
)
def test_what_cannot_be_compared_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    keep(tmp_path / "first", records(VGA, 5), 1)
    keep(tmp_path / "second", [replace(r, seed=r.seed + 1000) for r in records(VGA, 5)], 1)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert told in capsys.readouterr().err
