# SPDX-License-Identifier: Apache-2.0
"""A student through the whole stack: judged in lockstep, and at the wheel in real time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from harness import Processes
from rclpy.node import Node
from std_msgs.msg import String

from rldg_distill.episode import ACTION_DIM, STATE_DIM
from rldg_distill.students.registry import student_class
from rldg_distill.students.student import DataCard
from rldg_msgs.msg import Episode
from rldg_robot import contract
from rldg_robot.bag_reader import messages_of
from rldg_robot.ros import listen_to, publish_on
from rldg_robot.task import load_task

TASK = load_task("connector/vga")
pytestmark = pytest.mark.timeout(240)


def untrained_student(run: Path) -> None:
    """A run as `distill` leaves it, before it has learned anything."""

    def rows(count: int) -> dict[str, list[float] | list[bool]]:
        names = {"mean": 0.0, "std": 0.005, "q01": -0.01, "q99": 0.01}
        return {name: [value] * count for name, value in names.items()} | {"mask": [True] * count}

    card = DataCard(
        statistics={"action": rows(ACTION_DIM), "state": rows(STATE_DIM)},
        fingerprints={"nothing": "0"},
        cameras={"image": (128, 128)},
        topics={"image": contract.WRIST_IMAGE.name},
        control_rate=TASK.control_rate,
        instructions=(TASK.instruction,),
        action_scales=((*[TASK.action_scale.translation] * 3, *[TASK.action_scale.rotation] * 3),),
    )
    kind = student_class("cnn")
    kind.create(kind.configure("tiny"), card).save(run / "checkpoints" / "student")


def test_an_evaluation_of_a_student_is_noted_in_its_run(processes: Processes) -> None:
    run = processes.folder / "runs" / "pupil"
    untrained_student(run)
    words = {"name": "pupil", "task": TASK.id, "episodes": 1, "replan": 2, "ensemble": 0.1}
    stack = processes.stack("evaluate", **words)
    assert stack.wait(150) == 0, stack.log.read_text()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["evaluation"]["episodes"] == 1
    assert set(summary["evaluation"]) == {
        *("episodes", "successes", "success_rate", "ci95", "mean_cycle_seconds")
    }
    assert summary["evaluations"] == {TASK.id: summary["evaluation"]}


def test_a_student_at_the_wheel_hears_other_words(processes: Processes, domain: int) -> None:
    untrained_student(processes.folder / "runs" / "pupil")
    processes.stack("policy", policy="pupil", task=TASK.id, real_time_factor=3, replan=2)
    rclpy.init()
    node = Node("listener")
    episodes: list[Episode] = []
    health: dict[str, str] = {}

    def keep(message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "policy":
                health.update({pair.key: pair.value for pair in status.values})

    listen_to(node, contract.EPISODE, episodes.append)
    listen_to(node, contract.DIAGNOSTICS, keep)
    telling = publish_on(node, contract.INSTRUCTION)

    def until(condition, what: str) -> None:
        end = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < end, f"waited 90 s for {what}"
            rclpy.spin_once(node, timeout_sec=0.05)

    until(lambda: episodes and telling.get_subscription_count() >= 2, "actor and recorder")
    assert episodes[0].instruction == TASK.instruction
    telling.publish(String(data="push the blue plug in"))
    until(lambda: float(health.get("latency median [ms]", 0)) > 0, "the model's latency")
    until(lambda: episodes[-1].instruction == "push the blue plug in", "the next episode")
    until(lambda: episodes[-1].status != Episode.OPEN, "its end")
    node.destroy_node()
    rclpy.shutdown()
    (bags,) = (processes.folder / "runs" / "rollouts").glob("*/bags")
    first = bags / episodes[0].episode_id
    assert [m.data for m in messages_of(first, contract.INSTRUCTION)] == ["push the blue plug in"]
