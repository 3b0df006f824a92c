# SPDX-License-Identifier: Apache-2.0
"""Two stacks in one ROS domain: the second one refuses, and the first one does not notice."""

from __future__ import annotations

import os
import subprocess

from harness import Processes, expect_exit, said, wait_until


def gate(processes: Processes) -> subprocess.Popen[bytes]:
    return processes.node("rldg_robot", "safety_gate", task="connector/vga")


def states_told(processes: Processes) -> int:
    """How many gates the domain has, as a process of its own finds it."""
    look = (
        "import time, rclpy; from rclpy.node import Node; rclpy.init(); node = Node('look'); time.sleep(2); "
        "print(len(node.get_publishers_info_by_topic('/safety_gate/state')))"
    )
    told = subprocess.run(
        ["python3", "-c", look], env=processes.environment, capture_output=True, check=True
    )
    return int(told.stdout)


def test_a_stack_refuses_where_another_machine_moves_a_robot(processes: Processes) -> None:
    first = gate(processes)  # of a stack whose claim this machine does not see
    wait_until(lambda: states_told(processes) == 1, "the first gate")

    second = processes.stack("train_rl", name="second", demos=1, steps=10)

    expect_exit(second, 2)
    domain = os.environ["ROS_DOMAIN_ID"]
    told = f"'safety_gate' publishes /safety_gate/state in ROS domain {domain} already"
    assert told in said(second)
    assert "ROS_DOMAIN_ID=<another number>" in said(second)
    assert first.poll() is None and states_told(processes) == 1
    assert not (processes.folder / "runs/second/arguments.yaml").exists()

    first.kill()  # it cannot say good-bye, as after a power cut
    first.wait()
    third = gate(processes)
    wait_until(lambda: states_told(processes) == 1, "the third gate")
    assert third.poll() is None
