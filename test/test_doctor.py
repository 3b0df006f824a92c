# SPDX-License-Identifier: Apache-2.0
"""The doctor examines a robot that is fine, and one that somebody else moves past the gate."""

from __future__ import annotations

import rclpy
from harness import Processes, expect_exit
from rclpy.node import Node

from rldg_core import contract
from rldg_robot.ros import publish_on


def test_a_healthy_robot_is_let_go(processes: Processes) -> None:
    stack = processes.stack("doctor")
    expect_exit(stack)
    log = stack.log.read_text()
    assert "✓ current_pose: " in log and "✓ wrist_camera/color/image_raw: " in log
    assert "✓ safety gate, target of NaN: refused, the arm is held" in log
    assert "✓ safety gate, emergency stop: stopped after" in log
    assert "0 to fix first" in log


def test_one_that_others_move_is_not(processes: Processes, domain: int) -> None:
    rclpy.init()
    rogue = Node("rogue")
    publish_on(rogue, contract.TARGET_POSE)
    stack = processes.stack("doctor")
    expect_exit(stack, 1)
    rogue.destroy_node()
    log = stack.log.read_text()
    assert "✗ safety gate: it is not alone on target_pose" in log
    assert "1 to fix first" in log
