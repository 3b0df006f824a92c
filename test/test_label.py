# SPDX-License-Identifier: Apache-2.0
"""A person says when it is done, a network learns it, and a training asks the network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from harness import Processes, expect_exit

from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.rewards.classifier import main
from rldg_rl.rewards.judge import Verdict
from rldg_rl.rewards.reward_classifier import ClassifierJudge, labels_of, load_classifier, thinned
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")


def test_from_what_a_person_declared_to_a_reward(
    processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(processes.folder / "runs" / "labels")
    stack = processes.stack("label", task=VGA.id, name="labels", episodes=6)
    expect_exit(stack)
    summary = json.loads(run.summary.read_text())
    assert summary["reward"] == {"source": "person", "episodes": 6, "wrongly": 0, "missed": 0}
    assert "./rldg classifier train" in stack.log.read_text()

    for bag in run.succeeded("demonstration"):
        check_labels(bag)

    words = ["train", "labels", "--runs", str(run.path.parent), "--images", "120"]
    assert main(words) == 0
    message = capsys.readouterr().out
    assert "held out, not done" in message and "classifier.safetensors" in message
    assert (run.path / "contact_sheet.png").stat().st_size > 10_000
    file = run.path / "classifier.safetensors"
    check_judge(file, run.succeeded("demonstration")[-1])
    with pytest.raises(UserError, match="knows when connector/vga is done, not connector/hdmi"):
        load_classifier(file, load_task("connector/hdmi"))

    given = {"reward": "classifier", "classifier": file, "demos": 1, "steps": 60, "episodes": 1}
    training = processes.stack("train_rl", task=VGA.id, name="mini", **given)
    expect_exit(training)
    reward = json.loads((run.path.parent / "mini" / "summary.json").read_text())["reward"]
    assert reward["source"] == "classifier" and reward["episodes"] >= 3
    assert "by classifier; of" in training.log.read_text()


def check_labels(bag: Path) -> None:
    """Ten images of which a person said that it was done, a few of none, and before that what was not."""
    labels, steps = labels_of(bag, VGA), list(recorded_steps(bag, VGA, looks=True))
    done = [label.done for label in labels]
    assert done == sorted(done) and 8 <= sum(done) <= 10
    assert len(steps) - 6 <= len(labels) <= len(steps) - 3
    truth = [step.seen.success for step in steps]
    assert all(truth[-sum(done) :]) and not any(truth[: done.count(False)])
    some = thinned(labels, 8, seed=0)
    assert sum(label.done for label in some) == 4 and len(some) == 8
    same = thinned(labels, 8, seed=0)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(some, same, strict=True))


def check_judge(file: Path, bag: Path) -> None:
    """It says so soon after it is done, and not before; two images in a row have to look like it."""
    judge = ClassifierJudge(file, VGA)
    steps = list(recorded_steps(bag, VGA, looks=True))
    judge.begin(steps[0].seen)
    said = [judge.verdict(step.after, last=False) is Verdict.DONE for step in steps]
    truth = [step.after.success for step in steps]
    assert any(said) and abs(said.index(True) - truth.index(True)) <= 3


def test_what_teaches_nothing_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "nothing", "--runs", str(tmp_path)]) == 2
    assert "is no run of one task" in capsys.readouterr().err
    run = RunFolder(tmp_path / "empty")
    run.bags.mkdir(parents=True)
    (run.path / "config.yaml").write_text("task: connector/vga\n")
    assert main(["train", "empty", "--runs", str(tmp_path)]) == 2
    assert "0 labels of 0 episodes do not teach" in capsys.readouterr().err
    (tmp_path / "weights").write_bytes(b"nothing")
    with pytest.raises(UserError, match="holds no reward classifier"):
        load_classifier(tmp_path / "weights", VGA)
