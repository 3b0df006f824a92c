# SPDX-License-Identifier: Apache-2.0
"""What no driver of an arm does: follow a gate whose arm is outside of its box, or one of two who send targets."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
from harness import Processes
from lab import Lab, raised
from rclpy.node import Node
from test_graph import Probe

from rldg_core import contract
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.task import load_task
from rldg_msgs.msg import SafetyState
from rldg_robot.ros import publish_on
from rldg_robot.ros_values import to_pose_stamped

TASK = load_task("connector/vga")
GOAL = "goals: {{connector/vga: {{position: {}, quaternion: {}}}}}"
ELSEWHERE = GOAL.format([0.4, 0.25, 0.2], [1.0, 0.0, 0.0, 0.0])
TURNED = GOAL.format(
    TASK.goal_pose.position.tolist(), [np.cos(0.3).item(), np.sin(0.3).item(), 0.0, 0.0]
)


@pytest.mark.parametrize("goal", [ELSEWHERE, TURNED], ids=["position", "rotation"])
@pytest.mark.parametrize("driver", ["fci", "franka_ros2"])
def test_an_arm_outside_of_its_box_stays_where_it_is(
    processes: Processes, domain: int, driver: str, goal: str
) -> None:
    address = f"127.0.2.{domain}"
    of = {"task": TASK.id} | ({"address": address} if driver == "fci" else {})
    processes.node("rldg_robot", f"{driver}_simulator", **of)
    site = processes.folder / "site.yaml"
    site.write_text(goal)
    processes.environment["RLDG_SITE"] = str(site)  # of driver and gate, not of the arm
    processes.node("rldg_robot", driver, task=TASK.id, robot_ip=address)
    processes.node("rldg_robot", "safety_gate", task=TASK.id)
    rclpy.init()
    probe = Probe()
    probe.until(lambda: probe.pose and probe.policy.get_subscription_count() and probe.image)
    start = pose_of(probe.pose.pose)

    def ask(target: str) -> None:
        here = pose_of(probe.pose.pose) if target == "stay" else TASK.goal_pose
        stamp = nanoseconds(probe.pose.header.stamp)
        probe.policy.publish(to_pose_stamped(here, stamp, "base"))
        for _ in range(5):
            rclpy.spin_once(probe, timeout_sec=0.02)

    def answered() -> bool:
        ask("stay")
        return "outside of the box of connector/vga" in probe.safety.reason

    probe.until(answered)
    assert "guide it back by hand" in probe.safety.reason
    probe.targets.clear()
    for number in range(40):
        ask("stay" if number % 2 else "goal")
    assert probe.safety.state == SafetyState.HOLD and probe.targets
    for found in (*probe.targets, probe.pose):
        away = pose_of(found.pose)
        assert np.linalg.norm(away.position - start.position) < 0.01
        assert np.linalg.norm((start.inverse() @ away).rotvec) < 0.01
    probe.destroy_node()


@pytest.mark.parametrize("driver", ["fci", "franka_ros2"])
def test_a_driver_follows_neither_of_two_who_send_targets(
    processes: Processes, domain: int, driver: str
) -> None:
    address = f"127.0.2.{domain}"
    of = {"task": TASK.id} | ({"address": address} if driver == "fci" else {})
    processes.node("rldg_robot", f"{driver}_simulator", **of)
    processes.node("rldg_robot", driver, task=TASK.id, robot_ip=address)
    rclpy.init()
    lab = Lab(driver)
    lab.meet_driver()
    start = lab.pose
    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)
    intruder = Node("intruder")
    publisher = publish_on(intruder, contract.TARGET_POSE)
    lab.until(publisher.get_subscription_count)
    lab.wait(0.5)
    where = lab.pose
    away = to_pose_stamped(raised(start, 0.05), 0, "base")

    def refused() -> bool:
        publisher.publish(away)
        return "2 publishers, namely lab, intruder" in lab.said.get("message", "")

    lab.drive(raised(start, 0.02), refused)
    assert np.linalg.norm(lab.pose.position - where.position) < 0.003
    intruder.destroy_node()
    lab.drive(raised(start, 0.02), lambda: lab.height_above(start) > 0.017)
    lab.destroy_node()
