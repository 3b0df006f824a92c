# SPDX-License-Identifier: Apache-2.0
"""A sweep, tiny and real: evaluations that are kept, a picture, figures."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as imageio
import pytest
from steering import trained_run

from rldg_core.perturbation import AXES
from rldg_rl.evaluation.results import RecordFile
from rldg_rl.evaluation.sweep import main

VGA = "connector/vga"


def sweep(folder: Path, *words: str, episodes: int = 2) -> int:
    options = ("--task", VGA, "--workers", "1", "--out", str(folder / "out"))
    return main([str(folder / "a"), *words, *options, "--episodes", str(episodes)])


def test_a_sweep_evaluates_what_was_not_evaluated_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = trained_run(tmp_path / "a", VGA), trained_run(tmp_path / "b", VGA)
    words = (str(other), "--axis", "latency", "--values", "400ms,0")
    assert sweep(tmp_path, *words) == 0
    message = " ".join(capsys.readouterr().out.split())
    assert "1 of 4: " in message and "latency:400ms" in message and "files: " in message
    names = ("sweep_nominal_seed0", "sweep_latency_400ms_seed0")
    files = [r / "evaluations" / name / "episodes.jsonl" for r in (run, other) for name in names]
    written = [file.read_bytes() for file in files]
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    found = {(each["run"], each["value"]): each["figures"] for each in content["findings"]}
    assert {value for _, value in found} == {0.0, 0.4} and len(found) == 4
    assert [each["value"] for each in content["findings"]] == [0.0, 0.0, 0.4, 0.4]
    for run_name in {run_name for run_name, _ in found}:
        late, punctual = found[run_name, 0.4], found[run_name, 0.0]
        assert late["episodes"] == 2 and len(late["ci95"]) == 2
        slower = (late["mean_cycle_seconds"] or 10.0) - punctual["mean_cycle_seconds"]
        assert slower > 0.4 or late["successes"] < punctual["successes"]
    picture = imageio.imread(tmp_path / "out" / "sweep.png")
    assert picture.shape[0] > 300 and picture.std() > 10

    assert sweep(tmp_path, *words, episodes=3) == 0
    assert "going on: 2 of 3 episodes are done" in capsys.readouterr().out
    for file, before in zip(files, written, strict=True):
        assert file.read_bytes().startswith(before), "nothing was lived twice"
        assert len(RecordFile(file).read()) == 3
    assert sweep(tmp_path, *words) == 0, "fewer are a part of them"
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {each["figures"]["episodes"] for each in content["findings"]} == {2}


@pytest.mark.filterwarnings("error:constrained_layout")  # a run's path is long
def test_all_axes_that_mean_something(tmp_path: Path) -> None:
    trained_run(tmp_path / "a", VGA)
    assert sweep(tmp_path, "--axis", "all", "--randomize", episodes=1) == 0
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    looks = {"light", "colours", "texture", "camera", "camera_turn"}
    assert {each["axis"] for each in content["findings"]} == set(AXES) - looks
    nominal = [each for each in content["findings"] if each["value"] == 0.0]
    assert len(nominal) == 7 and len({each["evaluation"] for each in nominal}) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--axis", "weather"), "there is no axis 'weather'"),
        (("--axis", "camera", "--values", "5"), "'5' is not valid"),
        (("--axis", "camera,noise", "--values", "5mm"), "--values are those of one axis"),
        (("--axis", "camera", "--randomize"), "leave it out, or those axes"),
        (("nowhere", "--axis", "noise"), "has no trained policy"),
    ],
)
def test_what_cannot_be_swept_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    trained_run(tmp_path / "a", VGA)
    assert sweep(tmp_path, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
