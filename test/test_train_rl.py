# SPDX-License-Identifier: Apache-2.0
"""A whole training in miniature, and what becomes of it when parts of it are killed."""

from __future__ import annotations

import array
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from harness import Processes, expect_exit, spin_until, wait_until
from plain_bags import copy
from rclpy.node import Node
from steering import steering_policy
from test_bag import STEPS, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary, is_complete, messages_of, read_summary
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts
from rldg_msgs.msg import (
    Episode,
    LearnerStatus,
    PolicyWeights,
    RecorderStatus,
    RunStatus,
    Step,
    Transition,
)
from rldg_rl.actor_node import ActorNode
from rldg_rl.agent.checkpoint import policy_to_bytes
from rldg_rl.episodes.bag import recorded_steps, stored_steps
from rldg_rl.episodes.step import transition_message
from rldg_rl.learner_node import LearnerNode
from rldg_rl.run_folder import RunFolder
from rldg_robot.ros import listen_to, publish_on

VGA = load_task("connector/vga")
MINIATURE = {"task": "connector/vga", "name": "mini", "demos": 3, "steps": 300, "episodes": 1}
SHORT = {**MINIATURE, "steps": 150}
"""enough for updates, which begin after 100"""


class Listener(Node):
    """Hears every step of a run."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.steps: list[tuple[str, int]] = []
        self.episodes: list[Episode] = []
        self.learner = LearnerStatus()
        self.run = RunStatus()
        listen_to(self, contract.STEP, self._on_step)
        listen_to(self, contract.EPISODE, self.episodes.append)
        listen_to(self, contract.LEARNER_STATUS, lambda m: setattr(self, "learner", m))
        listen_to(self, contract.RUN_STATUS, lambda m: setattr(self, "run", m))

    def _on_step(self, message: Step) -> None:
        self.steps.append((message.episode_id, message.index))

    def until(self, condition, what: str) -> None:
        spin_until(self, condition, what)

    def policy_steps(self) -> int:
        return sum(episode.startswith("policy") for episode, _ in set(self.steps))


@pytest.fixture
def listener(domain: int) -> Iterator[Listener]:
    rclpy.init()
    node = Listener()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def check_run(path: Path, steps: int) -> dict:
    """What must hold of every finished run of at least so many training steps."""
    summary = json.loads((path / "summary.json").read_text())
    assert summary["task"] == "connector/vga"
    assert summary["demos"] >= 3
    assert summary["steps"] >= steps
    assert summary["evaluation"]["episodes"] == 1
    assert (path / "learning_curve.png").stat().st_size > 5_000
    assert RunFolder(path).policy_checkpoint.is_file()
    bags = sorted((path / "bags").iterdir())
    assert all(is_complete(bag) for bag in bags)
    summaries = [read_summary(bag) for bag in bags]
    for bag, recorded in zip(bags, summaries, strict=True):
        steps = list(stored_steps(bag, VGA))
        assert [step.index for step in steps] == list(range(recorded.steps))
    assert summary["steps"] == sum(s.steps for s in summaries if s.source == "policy")
    return summary


def check_plain_recordings(bag: Path, folder: Path) -> None:
    """A demonstration as a plain `ros2 bag record` would have left it gives the same episode."""
    labels = (contract.STEP, contract.EPISODE)
    targets = (contract.POLICY_TARGET_POSE, contract.TARGET_POSE)
    cameras, stated = {contract.WRIST_IMAGE.name: "image"}, StatedFacts(task="connector/vga")
    original = ConversionRecipe(ImageFormat(), cameras, stated).read(bag)
    aimed, pushed = (
        ConversionRecipe(ImageFormat(), cameras, stated).read(copy(bag, folder / name, without))
        for name, without in (("aimed", labels), ("pushed", (*labels, *targets)))
    )
    for found in (aimed, pushed):
        assert found.metadata.source == "recorded"
        assert list(found.images["image"]) == list(original.images["image"])
        np.testing.assert_array_equal(found.state, original.state)
        np.testing.assert_array_equal(found.image_stamp, original.image_stamp)
    np.testing.assert_allclose(aimed.action, original.action, atol=2e-8)  # through float64 poses
    np.testing.assert_array_equal(pushed.action, original.action)


def test_a_training_in_miniature_and_its_evaluation(processes: Processes) -> None:
    run = processes.folder / "runs" / "mini"
    stack = processes.stack("train_rl", video=True, **SHORT)
    expect_exit(stack)
    summary = check_run(run, SHORT["steps"])
    assert (run / "videos" / "evaluation.mp4").stat().st_size > 5_000
    assert summary["updates"] == 2 * summary["steps"]
    assert summary["demo_cycle_seconds"] > 1.0
    # Not the first: while recorder and operator still find each other, its bag may lack his first deflections.
    check_plain_recordings(run / "bags" / "demonstration_00001", processes.folder / "plain")
    commands = messages_of(run / "bags" / "demonstration_00000", contract.TARGET_POSE)
    assert len(commands) >= read_summary(run / "bags" / "demonstration_00000").steps

    filmed = (run / "videos" / "evaluation.mp4").stat().st_mtime_ns
    again = processes.stack("train_rl", video=True, **SHORT)
    expect_exit(again)
    assert check_run(run, SHORT["steps"])["steps"] == summary["steps"], (
        "a finished run is not trained further"
    )
    assert (run / "videos" / "evaluation.mp4").stat().st_mtime_ns == filmed, "nor filmed again"

    words = {"task": "connector/usb_a", "name": "next", "init": "mini", "prior": "mini"}
    words |= {"demos": 1, "steps": 30}
    following = processes.stack("train_rl", **words, episodes=1)
    expect_exit(following)
    log = (run.parent / "next" / "logs" / "learner.log").read_text()
    assert "begins with what was learned of connector/vga" in log
    bags = map(read_summary, (run / "bags").iterdir())
    recorded = sum(episode.steps for episode in bags if episode.source != "evaluation")
    assert f"{recorded} steps of mini to begin with" in log

    evaluation = processes.stack("evaluate", name="mini", episodes=2, seed=7)
    expect_exit(evaluation)
    (folder,) = (run / "evaluations").iterdir()
    assert json.loads((folder / "summary.json").read_text())["evaluation"]["episodes"] == 2


def test_any_part_can_be_killed(processes: Processes, listener: Listener) -> None:
    stack = processes.stack("train_rl", **MINIATURE)
    listener.until(lambda: len(listener.steps) > 20, "the first demonstration")
    os.kill(processes.pid("twin"), signal.SIGKILL)
    listener.until(lambda: listener.policy_steps() > 105, "training")
    actor = processes.pid("actor")
    os.kill(actor, signal.SIGSTOP)
    listener.until(lambda: "waits for the actor" in listener.learner.note, "the learner's word")
    waiting, note = listener.learner.updates, listener.learner.note
    listener.until(lambda: listener.learner.note != note, "another second without a step")
    assert listener.learner.updates == waiting, "it learned on without new steps"
    os.kill(actor, signal.SIGCONT)
    for node, after in (("learner", 120), ("actor", 160), ("recorder", 200), ("twin", 240)):
        listener.until(lambda after=after: listener.policy_steps() > after, f"step {after}")
        os.kill(processes.pid(node), signal.SIGKILL)
    wait_until(lambda: stack.poll() is not None, "the run's end")
    assert stack.returncode == 0, stack.log.read_text()
    summary = check_run(processes.folder / "runs" / "mini", MINIATURE["steps"])
    assert summary["updates"] >= 2 * (summary["steps"] - 1)


def test_all_of_it_can_be_killed(processes: Processes, listener: Listener) -> None:
    bags = processes.folder / "runs" / "mini" / "bags"
    stack = processes.stack("train_rl", **SHORT)
    listener.until(lambda: listener.policy_steps() > 110, "110 training steps")
    everything = subprocess.run(
        ["pgrep", "-f", processes.folder.name], capture_output=True, text=True, check=True
    )
    for pid in map(int, everything.stdout.split()):
        os.kill(pid, signal.SIGKILL)
    stack.wait()
    for _ in range(20):
        rclpy.spin_once(listener, timeout_sec=0.05)
    heard = set(listener.steps)

    again = processes.stack("train_rl", **SHORT)
    expect_exit(again)
    check_run(processes.folder / "runs" / "mini", SHORT["steps"])
    on_disk = {
        (step.episode_id, step.index) for bag in bags.iterdir() for step in stored_steps(bag, VGA)
    }
    assert len(heard - on_disk) <= 1, "more than the step in flight was lost"


def init(**parameters: object) -> None:
    """ROS, for a node in this process."""
    flags = [word for name in parameters for word in ("-p", f"{name}:={parameters[name]}")]
    rclpy.init(args=["--ros-args", *flags])


def test_weights_of_another_observation_are_reported(tmp_path: Path, domain: int) -> None:
    init(run=tmp_path, demos=0)
    node = ActorNode()
    other = policy_to_bytes(steering_policy(load_task("pick_place/pepper")), "connector/vga", 0)
    with pytest.raises(UserError, match="start both machines with the same arguments"):
        node.mode.topics[contract.POLICY_WEIGHTS](
            PolicyWeights(safetensors=array.array("B", other))
        )
    node.destroy_node()


@pytest.mark.parametrize(("observation", "images"), [("state", True), ("image", False)])
def test_steps_of_another_observation_are_reported(
    tmp_path: Path, domain: int, observation: str, images: bool
) -> None:
    write_episode(tmp_path / "policy_00000")
    step = next(recorded_steps(tmp_path / "policy_00000", VGA, looks=True))
    init(run=tmp_path / "run", observation=observation)
    node = LearnerNode()
    with pytest.raises(UserError, match="start both machines with the same arguments"):
        node.arrivals.hear(transition_message(step, Transition(), images))
    node.destroy_node()


def test_no_demonstration_is_asked_for_once_there_are_enough(tmp_path: Path, domain: int) -> None:
    run = RunFolder(tmp_path)
    init(run=run.path, demos=1, operator="none")
    with pytest.raises(UserError, match="demos:=1 need a person"):
        ActorNode()
    name = "demonstration_00000"
    done = EpisodeSummary(name, "demonstration", "success", "connector/vga", 3, STEPS, 0, 0.5)
    write_episode(run.bags / name, close=False).close(done)
    ActorNode().destroy_node()


def test_a_step_that_died_with_its_actor_comes_from_the_bag(
    processes: Processes, listener: Listener
) -> None:
    run = RunFolder(processes.folder / "runs" / "mini")
    run.prepare()
    processes.node("rldg_rl", "learner", run=run.path, task="connector/vga")
    publish_on(listener, contract.RECORDER_STATUS).publish(RecorderStatus(run="mini"))
    listener.until(lambda: listener.learner.ready, "the learner")
    write_episode(run.bags / "policy_00000")
    actor = publish_on(listener, contract.RUN_STATUS)
    actor.publish(RunStatus(run="mini", task="connector/vga", phase="training", steps=5))
    listener.until(lambda: listener.learner.transitions == 5, "the steps")
