# SPDX-License-Identifier: Apache-2.0
"""A student in control in real time, through the whole stack."""

from __future__ import annotations

import rclpy
from harness import Processes, expect_exit, spin_until
from pupil import policys_health, untrained_student
from rclpy.node import Node
from std_msgs.msg import String

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of
from rldg_core.task import load_task
from rldg_msgs.msg import Episode
from rldg_robot.ros import listen_to, publish_on

TASK = load_task("connector/vga")


def test_a_student_in_control_takes_a_new_instruction(processes: Processes, domain: int) -> None:
    untrained_student(processes.folder / "runs" / "pupil")
    processes.stack("policy", policy="pupil", task=TASK.id, real_time_factor=3, replan=2)
    rclpy.init()
    node = Node("listener")
    episodes: list[Episode] = []
    health = policys_health(node)

    listen_to(node, contract.EPISODE, episodes.append)
    telling = publish_on(node, contract.INSTRUCTION)

    def until(condition, what: str) -> None:
        spin_until(node, condition, what)

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


def test_a_student_that_demonstrates_has_to_succeed(processes: Processes) -> None:
    untrained_student(processes.folder / "runs" / "pupil")
    stack = processes.stack("train_rl", task=TASK.id, operator="none", init="pupil", demos=1)
    expect_exit(stack, 2)
    assert "4 demonstrations failed against 0 that succeeded" in stack.log.read_text()
