# SPDX-License-Identifier: Apache-2.0
"""A training that two machines share: here two stacks that have only their ROS domain in common."""

from __future__ import annotations

import shutil
import signal

import pytest
import rclpy
from harness import Processes, wait_until

from rldg_msgs.msg import RunStatus
from rldg_rl.agent.checkpoint import load_policy
from rldg_rl.episodes.bag_exchange import INCOMING
from rldg_rl.run_folder import RunFolder
from rldg_robot import contract
from rldg_robot.ros import publish_on

TASK = {"task": "connector/vga", "name": "shared", "demos": 3, "steps": 110, "episodes": 1}
pytestmark = pytest.mark.timeout(300)


def test_two_stacks_without_a_common_folder_train_and_survive_the_loss_of_one(
    processes: Processes,
) -> None:
    robot, gpu = (RunFolder(processes.folder / name / "shared") for name in ("robot", "gpu"))
    learning = processes.stack("train_rl", **TASK, machine="gpu", runs=gpu.path.parent)
    acting = processes.stack("train_rl", **TASK, machine="robot", runs=robot.path.parent)
    wait_until((robot.bags / "policy_00000").is_dir, 60, "training")
    learning.send_signal(signal.SIGINT)
    assert learning.wait(20) == 130, learning.log.read_text()
    assert not robot.learner_checkpoint.exists()

    shutil.rmtree(gpu.path)  # another machine takes its place
    learning = processes.stack("train_rl", **TASK, machine="gpu", runs=gpu.path.parent)
    assert acting.wait(120) == 0, acting.log.read_text() + learning.log.read_text()
    assert learning.wait(20) == 0, learning.log.read_text()

    fetched = {bag.name for bag in gpu.bags.iterdir()}
    assert (
        {"demonstration_00000", "demonstration_00002"}
        <= fetched
        <= {b.name for b in robot.bags.iterdir()}
    )
    assert INCOMING not in fetched
    judged, version = load_policy(robot.policy_checkpoint, "connector/vga")
    learned, last = load_policy(gpu.policy_checkpoint, "connector/vga")
    assert version == last >= 220
    assert {name: tensor.tobytes() for name, tensor in judged.tensors.items()} == {
        name: tensor.tobytes() for name, tensor in learned.tensors.items()
    }


@pytest.mark.usefixtures("domain")
def test_a_learner_of_another_task_says_so(processes: Processes) -> None:
    learner = processes.node("rldg_rl", "learner", run=processes.folder / "gpu", apart=True)
    rclpy.init()
    actor = rclpy.create_node("actor")
    publish_on(actor, contract.RUN_STATUS).publish(RunStatus(task="connector/usb_a"))
    assert learner.wait(30) == 2, learner.log.read_text()
    assert (
        "the actor does connector/usb_a, this learner learns connector/vga"
        in learner.log.read_text()
    )
