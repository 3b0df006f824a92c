# SPDX-License-Identifier: Apache-2.0
"""The command that compares two evaluated policies."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rldg_rl.evaluation.compare import main
from rldg_rl.evaluation.results import Record, RecordFile

VGA, XLR = "connector/vga", "connector/xlr"


def records(task: str, solved: int, count: int = 20) -> list[Record]:
    """The first `solved` of the starts are."""
    return [
        Record(task, n, 1000 + n, n < solved, 2.0 if n < solved else 10.0, 20, 9.0, 0.5, None)
        for n in range(count)
    ]


def keep(
    folder: Path,
    records: list[Record],
    moment: int,
    perturb: str | None = None,
    **config: str | bool,
) -> Path:
    """An evaluation that was finished at a moment."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"perturb": perturb, **config}))
    file = RecordFile(folder / "episodes.jsonl")
    for record in records:
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


def test_only_evaluations_under_the_same_perturbation_are_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    keep(run / "evaluations" / "plain", records(VGA, 12), 1)
    late = keep(run / "evaluations" / "late", records(VGA, 3), 2, "latency:100ms")
    plain = keep(other / "evaluations" / "plain", records(VGA, 0), 1)
    assert compared(capsys, run, other)[VGA]["only_first"] == 12, "the last one of the nominal"
    assert main([str(run), str(other), "--perturb", "latency:0.1s"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert f"{other} was not evaluated under latency:100ms" in message
    assert main([str(late), str(plain)]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "under latency:100ms by the first and under no perturbation by the second" in message
    second = keep(other / "evaluations" / "late", records(VGA, 1), 3, "latency:100ms")
    assert compared(capsys, run, other, "--perturb", "latency:0.1s")[VGA]["only_first"] == 2
    assert compared(capsys, late, second)[VGA]["only_first"] == 2
    assert compared(capsys, run, other)[VGA]["only_first"] == 12
    assert main([str(run), str(other), "--perturb", "weather:1"]) == 2
    assert "there is no axis 'weather'" in capsys.readouterr().err


def test_only_evaluations_of_the_same_looks_and_judge_are_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    keep(run / "evaluations" / "plain", records(VGA, 12), 1, reward="twin")
    looks = keep(run / "evaluations" / "looks", records(VGA, 3), 2, randomize=True)
    judged = keep(run / "evaluations" / "judged", records(VGA, 20), 3, reward="classifier")
    plain = keep(other / "evaluations" / "plain", records(VGA, 0), 1, randomize=False)
    assert compared(capsys, run, other)[VGA]["only_first"] == 12, "the last one of the nominal"
    for named, message in ((looks, "randomize:=true"), (judged, "reward:=classifier")):
        assert main([str(named), str(plain)]) == 2
        assert f"{message} by the first and under no perturbation" in capsys.readouterr().err
    keep(other / "evaluations" / "looks", records(VGA, 1), 2, randomize=True)
    assert compared(capsys, run, other, "--randomize")[VGA]["only_first"] == 2
    assert main([str(run), str(other), "--reward", "classifier"]) == 2
    assert f"{other} was not evaluated under no perturbation, rew" in capsys.readouterr().err


def test_the_table_is_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = keep(tmp_path / "first", records(VGA, 20), 1)
    second = keep(tmp_path / "second", records(VGA, 5), 1)
    assert main([str(first), str(second)]) == 0
    message = " ".join(capsys.readouterr().out.split())
    assert f"first: {first}" in message
    assert "success [percentage points: first minus second, Newcombe; p: McNemar, exact]" in message
    assert "cycle time where both succeeded [first minus second, bootstrap]" in message
    assert "connector/vga 20 100 % 25 % +75 [" in message and "connector/vga 5 2.00 s" in message
    assert "successes per 10 minutes, resets counted in [first minus second, delta" in message
    assert "connector/vga 20 171.4 15.8 +155.6 [" in message, "3.5 s each; 5 × 3.5 s, 15 × 11.5 s"
    assert "connector/vga 5 9.00 N 9.00 N +0.00 [" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["first", "nowhere"], "holds no episodes.jsonl: evaluate it first"),
        (["first", "second"], r"no episode of the first (connector/vga) began as one of"),
        (["first", "first", "--task", "connector/scart"], "no task 'connector/scart'"),
        (["first", "first", "--task", "connector/unseen"], "no episode of the first"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    keep(tmp_path / "first", records(VGA, 5), 1)
    keep(tmp_path / "second", [replace(r, seed=r.seed + 1000) for r in records(VGA, 5)], 1)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err
