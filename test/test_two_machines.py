# SPDX-License-Identifier: Apache-2.0
"""A training that two machines share: here two stacks that have only their ROS domain in common."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import rclpy
from harness import Processes, expect_exit, spin_until, wait_until
from pupil import policys_health, untrained_student

from rldg_core import contract
from rldg_msgs.msg import Episode, RunStatus
from rldg_rl.agent.checkpoint import load_policy
from rldg_rl.episodes.bag_exchange import INCOMING
from rldg_rl.run_folder import RunFolder
from rldg_robot.ros import listen_to, publish_on

TASK = {"task": "connector/vga", "name": "shared", "demos": 3, "steps": 110, "episodes": 1}


def test_two_stacks_without_a_common_folder_train_and_survive_the_loss_of_one(
    processes: Processes,
) -> None:
    robot, gpu = (RunFolder(processes.folder / name / "shared") for name in ("robot", "gpu"))
    learning = processes.stack("train_rl", **TASK, machine="gpu", runs=gpu.path.parent)
    acting = processes.stack("train_rl", **TASK, machine="robot", runs=robot.path.parent)
    wait_until((robot.bags / "policy_00000").is_dir, "training")
    learning.send_signal(signal.SIGINT)
    expect_exit(learning, 130)
    assert not robot.learner_checkpoint.exists()

    shutil.rmtree(gpu.path)  # another machine takes its place
    learning = processes.stack("train_rl", **TASK, machine="gpu", runs=gpu.path.parent)
    expect_exit(acting)
    expect_exit(learning)

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


def test_a_student_acts_from_another_machine_and_survives_a_kill_there(
    processes: Processes, domain: int
) -> None:
    untrained_student(processes.folder / "gpu" / "pupil")
    card = Path("pupil/checkpoints/student/student.json")
    (processes.folder / "robot" / card).parent.mkdir(parents=True)
    shutil.copy(processes.folder / "gpu" / card, processes.folder / "robot" / card)
    acts = {"policy": "pupil", "task": TASK["task"], "real_time_factor": 3}
    acting = processes.stack("policy", **acts, machine="robot", runs="robot")
    rclpy.init()
    node = rclpy.create_node("onlooker")
    episodes: list[Episode] = []
    health = policys_health(node)
    notes: list[str] = []

    listen_to(node, contract.EPISODE, episodes.append)
    listen_to(node, contract.RUN_STATUS, lambda message: notes.append(message.note))

    def answers() -> int:
        return int(health.get("answers", 0))

    def until(condition: Callable[[], object], what: str) -> None:
        spin_until(node, condition, what + acting.log.read_text())

    until(lambda: "the student on the other machine" in "".join(notes), "waiting for it")
    assert not episodes
    thinking = processes.stack("policy", **acts, machine="gpu", runs="gpu")
    until(lambda: answers() > 20, "answers")
    thinking.send_signal(signal.SIGINT)
    expect_exit(thinking, 130)
    until(lambda: episodes[-1].status == Episode.ABORTED, "the end of the episode")
    (log,) = (processes.folder / "robot").glob("rollouts/*/logs/actor.log")
    assert "the student on the other machine is gone" in log.read_text()
    before = answers()
    processes.stack("policy", **acts, machine="gpu", runs="gpu")
    until(lambda: answers() > before + 20, "answers of the next one")
    node.destroy_node()
    rclpy.shutdown()


def test_another_student_than_the_robot_pc_knows_is_refused(processes: Processes) -> None:
    for machine in ("robot", "gpu"):
        untrained_student(processes.folder / machine / "pupil")
    card = processes.folder / "gpu/pupil/checkpoints/student/student.json"
    card.write_text(card.read_text().replace("insert", "shove"))
    acts = {"policy": "pupil", "task": TASK["task"], "real_time_factor": 3}
    processes.stack("policy", **acts, machine="gpu", runs="gpu")
    acting = processes.stack("policy", **acts, machine="robot", runs="robot")
    expect_exit(acting, 2)
    assert "another one than the robot PC knows" in acting.log.read_text()


@pytest.mark.usefixtures("domain")
def test_a_learner_of_another_task_says_so(processes: Processes) -> None:
    learner = processes.node("rldg_rl", "learner", run=processes.folder / "gpu", apart=True)
    rclpy.init()
    actor = rclpy.create_node("actor")
    publish_on(actor, contract.RUN_STATUS).publish(RunStatus(run="gpu", task="connector/usb_a"))
    expect_exit(learner, 2)
    assert (
        "the actor does 'connector/usb_a', this learner learns connector/vga"
        in learner.log.read_text()
    )
