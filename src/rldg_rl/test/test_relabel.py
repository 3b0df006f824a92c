# SPDX-License-Identifier: Apache-2.0
"""Relabelling: the specialist's actions at recorded states, and nothing else changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from steering import steering_policy
from test_bag import write_episode

from rldg_core.bags.bag_reader import (
    EpisodeSummary,
    is_complete,
    messages_of,
    raw_messages,
    read_summary,
)
from rldg_core.contract import EPISODE, STEP
from rldg_core.task import load_task
from rldg_rl.agent.checkpoint import save_policy
from rldg_rl.episodes.bag import stored_steps
from rldg_rl.policies.relabel import main
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")
OTHERS = {STEP.name, EPISODE.name}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A person's run with two successes and a failure, and a specialist."""
    run = RunFolder(tmp_path / "person")
    run.bags.mkdir(parents=True)
    for number, status in enumerate(("success", "failure", "success")):
        writer = write_episode(run.bags / f"demonstration_{number}", close=False)
        writer.close(
            EpisodeSummary(writer.path.name, "demonstration", status, "connector/vga", 3, 5, 0, 0.5)
        )
    checkpoint = RunFolder(tmp_path / "vga").policy_checkpoint
    checkpoint.parent.mkdir(parents=True)
    save_policy(checkpoint, steering_policy(VGA), "connector/vga", updates=7)
    return tmp_path


def relabel(runs: Path, *more: str) -> int:
    policy = more or ("--policy", "connector/vga=vga")
    return main(["person", *policy, "--name", "new", "--runs", str(runs)])


def test_actions_are_the_specialists_and_the_rest_is_as_it_was(runs: Path) -> None:
    assert relabel(runs) == 0
    old, new = RunFolder(runs / "person").bags, RunFolder(runs / "new").bags
    assert [bag.name for bag in sorted(new.iterdir())] == ["demonstration_0", "demonstration_2"]
    bag = new / "demonstration_2"
    kept = [m for m in raw_messages(bag) if m[0] not in OTHERS]
    assert kept == [m for m in raw_messages(old / bag.name) if m[0] not in OTHERS]
    summary = read_summary(old / bag.name)
    assert read_summary(bag) == replace(summary, source="relabelled")
    assert {m.source for m in messages_of(bag, EPISODE)} == {"relabelled"}

    policy = steering_policy(VGA)
    seen = [step.observation for step in stored_steps(old / bag.name, VGA)]
    for before, after, observation in zip(
        messages_of(old / bag.name, STEP), messages_of(bag, STEP), seen, strict=True
    ):
        _, mean, log_std = policy.act(observation)
        np.testing.assert_array_equal(after.policy_mean, mean)
        np.testing.assert_array_equal(after.policy_log_std, log_std)
        drawn = np.arctanh(np.asarray(after.action[:6], float))
        assert (np.abs(drawn - mean) < 6 * np.exp(log_std)).all(), "drawn from the distribution"
        assert after.action[6] == before.action[6], "the gripper is not the policy's"
        assert (after.policy_version, after.executed_by) == (7, 0)
        assert after.state_stamp == before.state_stamp and after.image_stamp == before.image_stamp
    summary = json.loads(RunFolder(runs / "new").summary.read_text())
    assert summary["tasks"] == {
        "connector/vga": {"episodes": 2, "successes": 2, "mean_cycle_seconds": 0.5}
    }


def test_what_came_before_the_hand_over_stays_the_persons(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rldg_rl.policies.relabel.load_task", lambda _: replace(VGA, handover=0.5))
    bag = RunFolder(runs / "person").bags / "demonstration_2"
    shutil.rmtree(bag)
    summary = EpisodeSummary(bag.name, "demonstration", "success", VGA.id, 3, 5, 0, 0.5)
    write_episode(bag, close=False, progress=(0.0, 0.0, 0.5, 0.5, 0.5, 1.0)).close(summary)
    assert relabel(runs) == 0
    new = RunFolder(runs / "new").bags / bag.name
    then, now = (
        [cdr for topic, _, _, cdr in raw_messages(path) if topic == STEP.name]
        for path in (bag, new)
    )
    assert now[:2] == then[:2]
    assert [step.policy_version for step in messages_of(new, STEP)] == [0, 0, 7, 7, 7]


def test_a_student_s_own_steps_before_a_hand_over_have_no_label(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rldg_rl.policies.relabel.load_task", lambda _: replace(VGA, handover=0.5))
    bag = RunFolder(runs / "person").bags / "demonstration_2"
    shutil.rmtree(bag)
    summary = EpisodeSummary(bag.name, "policy", "success", VGA.id, 3, 5, 0, 0.5)
    write_episode(bag, close=False).close(summary)
    assert relabel(runs) == 2
    assert "a policy acted before the hand-over" in " ".join(capsys.readouterr().err.split())
    assert not (runs / "new").exists()


def test_a_killed_relabelling_goes_on_with_the_same_draws(runs: Path) -> None:
    assert relabel(runs) == 0
    bags = RunFolder(runs / "new").bags
    whole = {bag.name: list(raw_messages(bag)) for bag in bags.iterdir()}
    (bags / "demonstration_2" / "metadata.yaml").unlink()  # as a kill leaves it
    untouched = (bags / "demonstration_0" / "metadata.yaml").stat().st_mtime_ns
    assert relabel(runs) == 0
    assert is_complete(bags / "demonstration_2")
    assert {bag.name: list(raw_messages(bag)) for bag in bags.iterdir()} == whole
    assert (bags / "demonstration_0" / "metadata.yaml").stat().st_mtime_ns == untouched


def test_failures_are_relabelled_where_all_are_wanted(runs: Path) -> None:
    assert relabel(runs, "--policy", "connector/vga=vga", "--status", "all") == 0
    new = RunFolder(runs / "new")
    statuses = {e.episode_id: (e.status, e.source) for e in new.episodes()}
    assert statuses["demonstration_1"] == ("failure", "relabelled") and len(statuses) == 3
    for step in messages_of(new.bags / "demonstration_1", STEP):
        assert step.policy_version == 7 and len(step.policy_mean) == len(step.policy_log_std) == 6
    summary = json.loads(new.summary.read_text())
    assert summary["tasks"] == {
        "connector/vga": {"episodes": 3, "successes": 2, "mean_cycle_seconds": 0.5}
    }


def test_a_run_without_successes_says_how_to_take_its_failures(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 2):
        shutil.rmtree(RunFolder(runs / "person").bags / f"demonstration_{number}")
    assert relabel(runs) == 2
    assert "no successful episodes: --status all takes" in capsys.readouterr().err
    assert relabel(runs, "--policy", "connector/vga=vga", "--status", "all") == 0
    summary = json.loads(RunFolder(runs / "new").summary.read_text())
    assert summary["tasks"]["connector/vga"]["mean_cycle_seconds"] is None


@pytest.mark.parametrize(
    ("policy", "said"),
    [("connector/usb_a=vga", "connector/vga needs a specialist"), ("connector/vga=vgo", "vgo")],
)
def test_a_mistake_is_named(
    runs: Path, policy: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert relabel(runs, "--policy", policy) == 2
    assert said in capsys.readouterr().err
    assert not (runs / "new").exists()
