# SPDX-License-Identifier: Apache-2.0
"""Two stacks in one ROS domain: the second one refuses, and the first one does not notice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import rclpy
from harness import Processes, expect_exit, said, spin_until, wait_until
from rclpy.node import Node

from rldg_core import contract
from rldg_msgs.msg import LearnerStatus, RecorderStatus
from rldg_rl.acting.recorder_watch import RecorderWatch
from rldg_rl.own_run import listen_to_own
from rldg_rl.run_folder import RunFolder
from rldg_robot.ros import publish_on


def gate(processes: Processes) -> subprocess.Popen[bytes]:
    return processes.node("rldg_robot", "safety_gate", task="connector/vga")


def states_published(processes: Processes) -> int:
    """How many gates the domain has, as a process of its own finds it."""
    look = (
        "import time, rclpy; from rclpy.node import Node; rclpy.init(); node = Node('look'); time.sleep(2); "
        "print(len(node.get_publishers_info_by_topic('/safety_gate/state')))"
    )
    counted = subprocess.run(
        ["python3", "-c", look], env=processes.environment, capture_output=True, check=True
    )
    return int(counted.stdout)


def test_a_stack_refuses_where_another_machine_moves_a_robot(processes: Processes) -> None:
    first = gate(processes)  # of a stack whose claim this machine does not see
    wait_until(lambda: states_published(processes) == 1, "the first gate")

    second = processes.stack("train_rl", name="second", demos=1, steps=10)

    expect_exit(second, 2)
    domain = os.environ["ROS_DOMAIN_ID"]
    message = f"'safety_gate' publishes /safety_gate/state in ROS domain {domain} already"
    assert message in said(second)
    assert "ROS_DOMAIN_ID=<another number>" in said(second)
    assert first.poll() is None
    wait_until(lambda: states_published(processes) == 1, "the first gate alone")
    assert not (processes.folder / "runs/second/arguments.yaml").exists()

    first.kill()  # it cannot say good-bye, as after a power cut
    first.wait()
    third = gate(processes)
    wait_until(lambda: states_published(processes) == 1, "the third gate")
    assert third.poll() is None


@pytest.mark.usefixtures("domain")
def test_messages_of_another_run_are_ignored_and_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rclpy.init()
    waits, speaks = Node("waits"), Node("speaks")
    watch, heard = RecorderWatch(waits, RunFolder(tmp_path / "mine")), []
    listen_to_own(waits, contract.LEARNER_STATUS, RunFolder(tmp_path / "mine"), heard.append)
    recorder = publish_on(speaks, contract.RECORDER_STATUS)
    learner = publish_on(speaks, contract.LEARNER_STATUS)

    recorder.publish(RecorderStatus(run="other", episode_id="../x", open=True, error="no room"))
    for run in ("other", "", "mine/", "mine"):
        learner.publish(LearnerStatus(run=run, updates=len(run)))
        for _ in range(20):
            rclpy.spin_once(waits, timeout_sec=0.02)
    spin_until(waits, lambda: heard, "the learner of this run")
    assert not watch.is_there() and not watch.open_episode

    recorder.publish(RecorderStatus(run="mine", episode_id="policy_00000", open=True))
    spin_until(waits, watch.is_there, "the recorder of this run")
    assert watch.open_episode == "policy_00000"
    assert [message.run for message in heard] == ["mine"]
    errors = capfd.readouterr().err
    assert "is about the run 'other', and this is 'mine': ignored" in errors
    assert errors.count("ignored") == 1
    for node in (waits, speaks):
        node.destroy_node()


def test_a_run_is_called_the_same_on_both_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunFolder(Path("runs/first")).name == RunFolder(tmp_path / "elsewhere/first").name
    assert RunFolder(Path("runs/first")).name == "first"
    evaluation = RunFolder(Path("runs/first/evaluations/second"))
    assert evaluation.name == "first/evaluations/second"
