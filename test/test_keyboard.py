# SPDX-License-Identifier: Apache-2.0
"""A person says what is done: at the keyboard, in a terminal of their own, or played by the operator."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from harness import Processes, executable, expect_exit, wait_until
from steering import steering_policy, trained_run
from typing_person import terminal

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of
from rldg_core.message_values import SECOND, nanoseconds
from rldg_core.task import load_task
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.episodes.bag import stored_steps
from rldg_rl.rewards.false_firings import mined
from rldg_rl.rewards.reward_classifier import Quality, RewardClassifier, save_classifier
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")


def test_a_training_asks_the_operator_alone(processes: Processes) -> None:
    given = {"reward": "keyboard", "demos": 2, "steps": 120, "episodes": 2}
    stack = processes.stack("train_rl", task=VGA.id, name="mini", **given)
    expect_exit(stack)
    run = RunFolder(processes.folder / "runs" / "mini")
    reward = json.loads(run.summary.read_text())["reward"]
    assert reward["source"] == "keyboard" and reward["episodes"] >= 5 and reward["wrongly"] == 0
    assert "by keyboard; of" in stack.log.read_text()
    for episode in run.episodes():
        check_last_step(run.bags / episode.episode_id, episode.status == "success")


def check_last_step(bag: Path, success: bool) -> None:
    """It has what the person said, and no step before it was told as an end."""
    steps = list(stored_steps(bag, VGA))
    ends = [(step.reward, step.terminated, step.truncated) for step in steps]
    assert set(ends[:-1]) <= {(0.0, False, False)}
    assert ends[-1] == (float(success), success, not success)
    start = nanoseconds(messages_of(bag, contract.STEP)[0].state_stamp)
    said = {
        m.yes for m in messages_of(bag, contract.ANSWER) if nanoseconds(m.header.stamp) >= start
    }
    assert said <= {success}, "it may come after the bag was closed"


def still_policy() -> GaussianPolicy:
    """Stays where it is."""
    weights = steering_policy(VGA).tensors
    return GaussianPolicy({name: 0.0 * tensor for name, tensor in weights.items()})


def test_a_person_in_a_terminal_judges_an_evaluation(processes: Processes) -> None:
    run = trained_run(processes.folder / "runs" / "still", VGA.id, still_policy())
    given = {"name": "still", "reward": "keyboard", "episodes": 3, "evaluation": "asked"}
    stack = processes.stack("evaluate", **given)
    wait_until(lambda: "waiting for the person at" in stack.log.read_text(), "the note")
    with terminal(processes, "rldg_rl", "keyboard") as person:
        person.wait_for("runs. Is it done")
        person.press("f")
        person.wait_for("no")
        person.wait_for("runs. Is it done")
        person.press("x")
        person.press("s")
        person.wait_for("yes")
        person.wait_for("the time is out. Is it done? [y/n]")
        person.press("y")
        expect_exit(stack)
    found = RunFolder(run / "evaluations" / "asked")
    episodes = found.episodes()
    assert [episode.status for episode in episodes] == ["failure", "success", "success"]
    assert episodes[2].steps == VGA.horizon > episodes[0].steps
    reasons = [
        messages_of(found.bags / e.episode_id, contract.EPISODE)[-1].reason for e in episodes
    ]
    assert reasons[0] == "a person gave it up"
    summary = json.loads(found.summary.read_text())
    assert summary["evaluation"]["successes"] == 2
    assert summary["reward"] == {"source": "keyboard", "episodes": 3, "wrongly": 2, "missed": 0}


def eager_classifier() -> RewardClassifier:
    """Takes everything for done."""
    classifier = RewardClassifier()
    classifier.threshold.fill_(1e-6)
    return classifier


def test_the_arm_holds_in_real_time_while_a_person_thinks(processes: Processes) -> None:
    run = trained_run(processes.folder / "runs" / "still", VGA.id, still_policy())
    file = processes.folder / "eager.safetensors"
    save_classifier(file, eager_classifier(), VGA, Quality(1, 1, 0, 1, 0.0, 1.0, 0.7))
    given = {"reward": "classifier", "classifier": file, "confirm": "true", "real_time_factor": 1}
    stack = processes.stack("evaluate", name="still", evaluation="asked", episodes=1, **given)
    with terminal(processes, "rldg_rl", "keyboard") as person:
        person.wait_for("looks done. Is it? [y/n]")
        time.sleep(2.0)
        person.press("n")
        person.wait_for("looks done. Is it? [y/n]")
        person.press("y")
        expect_exit(stack)
    found = RunFolder(run / "evaluations" / "asked")
    (episode,) = found.episodes()
    bag = found.bags / episode.episode_id
    assert episode.status == "success"
    assert np.array_equal([label.done for label in mined(found, VGA)], [False] * 2)
    refused = nanoseconds(messages_of(bag, contract.ANSWER)[0].header.stamp)
    steps = messages_of(bag, contract.STEP)
    decided_on = [nanoseconds(step.state_stamp) for step in steps]
    resumed = min(stamp for stamp in decided_on if stamp >= refused)
    assert resumed > refused + SECOND, "it goes on with what is seen after the pause"
    duration = nanoseconds(steps[-1].next_state_stamp) - decided_on[0] - (resumed - refused)
    assert episode.seconds == pytest.approx(duration / SECOND), "thinking is not doing"
    poses = [
        message.pose.position
        for message in messages_of(bag, contract.CURRENT_POSE)
        if refused + SECOND // 2 < nanoseconds(message.header.stamp) <= resumed
    ]
    path = np.array([(point.x, point.y, point.z) for point in poses])
    assert np.ptp(path, axis=0).max() < 1e-3
    reasons = [message.reason for message in messages_of(bag, contract.SAFETY_STATE)]
    assert any("policy is silent" in reason for reason in reasons)


def test_a_keyboard_needs_a_terminal(processes: Processes) -> None:
    node = processes.start("sh", "-c", f"{executable('rldg_rl', 'keyboard')} < /dev/null")
    expect_exit(node, 2)
    assert "start it in a terminal of its own" in node.log.read_text()
