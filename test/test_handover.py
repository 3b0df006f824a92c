# SPDX-License-Identifier: Apache-2.0
"""A person's lead-in through whole stacks: the learner hears of none of it, now or later, and evaluations agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest
import rclpy
from harness import Processes, expect_exit, spin_until
from rclpy.node import Node
from steering import steering_policy, trained_run
from test_evaluate import evaluate, records

from rldg_core import contract
from rldg_core.task import load_task
from rldg_core.vocabulary import ExecutedBy
from rldg_distill.convert import main as convert
from rldg_distill.datasets.rlds import Dataset
from rldg_msgs.msg import Transition
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.episodes.bag import stored_steps
from rldg_rl.episodes.step import received_step
from rldg_rl.robot.observation import state_dim
from rldg_rl.run_folder import RunFolder
from rldg_robot.ros import listen_to

TASK = load_task("fmb_assembly/rectangle")


def inserting_policy() -> GaussianPolicy:
    """Steers by the offset, and leaves the fingers closed."""
    weight = np.zeros((state_dim(TASK), 3), np.float32)
    leave = np.array([0.0, 1.0, 0.0], np.float32)
    fingers = {"gripper.head.weight": weight, "gripper.head.bias": leave}
    return GaussianPolicy(steering_policy(TASK).tensors | fingers)


class Learner(Node):
    """Hears what the learner is sent."""

    def __init__(self) -> None:
        super().__init__("eavesdropper")
        self.sent: dict[tuple[str, int], Transition] = {}
        listen_to(self, contract.TRANSITION, self._keep)

    def _keep(self, message: Transition) -> None:
        self.sent[message.episode_id, message.index] = message


@pytest.fixture
def learner(domain: int) -> Iterator[Learner]:
    rclpy.init()
    node = Learner()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_what_a_learner_rebuilds_from_bags_is_what_it_was_sent(
    processes: Processes, learner: Learner
) -> None:
    words = {"task": TASK.id, "name": "small", "demos": 1, "steps": 40, "episodes": 1}
    stack = processes.stack("train_rl", **words)
    spin_until(learner, lambda: stack.poll() is not None, "the run's end")
    assert stack.returncode == 0, stack.log.read_text()

    run = RunFolder(processes.folder / "runs" / "small")
    episodes = run.episodes()
    learned = [episode for episode in episodes if episode.source != "evaluation"]
    kept = [
        step for episode in learned for step in stored_steps(run.bags / episode.episode_id, TASK)
    ]
    assert {(step.episode_id, step.index) for step in kept} == set(learner.sent)
    for step in kept:
        heard = asdict(received_step(learner.sent[step.episode_id, step.index]))
        for name, value in asdict(step).items():
            np.testing.assert_array_equal(value, heard[name], name)

    by_policy = [episode for episode in episodes if episode.source == "policy"]
    assert {episode.lead_in > 20 for episode in by_policy} == {True}
    for episode in learned:
        first = min(step.index for step in kept if step.episode_id == episode.episode_id)
        assert first > 20 and episode.lead_in in (0, first)
    own = sum(step.episode_id.startswith("policy") for step in kept)
    summary = json.loads(run.summary.read_text())
    assert summary["steps"] == own >= 40 and summary["evaluation"]["led_in"] == 1


def test_evaluations_are_led_in_alike_through_ros_and_directly(processes: Processes) -> None:
    run = trained_run(processes.folder / "runs" / "a", TASK.id, inserting_policy())
    stack = processes.stack("evaluate", name="a", episodes=2, evaluation="ros")
    expect_exit(stack)
    through_ros = records(run, "ros")
    assert all(record.lead_in > 20 for record in through_ros)
    directly = evaluate(run, "direct", "--task", TASK.id, "--episodes", "2")
    assert directly == [replace(record, bag="") for record in through_ros]


def test_hybrid_episodes_become_a_dataset_that_says_who_acted(processes: Processes) -> None:
    trained_run(processes.folder / "runs" / "a", TASK.id, inserting_policy())
    stack = processes.stack("collect", policy="a", episodes=2, name="hybrid")
    expect_exit(stack)
    data = processes.folder / "data"
    assert convert([str(processes.folder / "runs" / "hybrid"), "--out", str(data)]) == 0
    for episode in (e for split in ("train", "val") for e in Dataset(data).episodes(split)):
        first = episode.executed_by.tolist().index(0)
        assert first > 20 and set(episode.executed_by[:first]) == {ExecutedBy.DEMONSTRATION}
        assert set(episode.executed_by[first:]) == {0}
        assert set(episode.teacher_version[:first]) == {-1}
        assert set(episode.teacher_version[first:]) == {7}
