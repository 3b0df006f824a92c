# SPDX-License-Identifier: Apache-2.0
"""An emergency stop is the robot's: killing the whole stack and starting it again releases nobody."""

from __future__ import annotations

import os
import signal
import subprocess

import numpy as np
import rclpy
from harness import Processes, said, spin_until, wait_until
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.message_values import pose_of
from rldg_msgs.msg import SafetyState
from rldg_robot.ros import listen_to, publish_on

NODES = ("twin", "safety_gate", "operator", "recorder", "learner", "actor", "monitor")


def killed(processes: Processes, stack: subprocess.Popen[bytes]) -> None:
    """`kill -9` of everything at once."""
    for node in NODES:
        if pid := processes.pid(node):
            os.kill(pid, signal.SIGKILL)
    os.killpg(stack.pid, signal.SIGKILL)
    stack.wait()
    wait_until(lambda: not any(map(processes.pid, NODES)), "the end of all nodes")


def test_an_emergency_stop_survives_the_stack_until_a_person_releases_it(
    processes: Processes,
) -> None:
    words = {"task": "connector/vga", "name": "kept", "demos": 50, "operator": "scripted"}
    stack = processes.stack("train_rl", runs=processes.folder, **words)
    rclpy.init()
    person = Node("person")
    states: list[SafetyState] = []
    poses: list[np.ndarray] = []
    listen_to(person, contract.SAFETY_STATE, states.append)
    listen_to(person, contract.CURRENT_POSE, lambda m: poses.append(pose_of(m.pose).position))
    button = publish_on(person, contract.EMERGENCY_STOP)

    def pressed() -> bool:
        button.publish(Empty())
        return states[-1].state == SafetyState.STOPPED

    spin_until(person, lambda: states and states[-1].state == SafetyState.PASS, "a first target")
    spin_until(person, pressed, "the stop")
    killed(processes, stack)
    states.clear()

    again = processes.stack("train_rl", runs=processes.folder, **words)
    warning = "[stack] the robot is stopped since 2"
    wait_until(lambda: warning in again.log.read_text(), "what the start says")
    assert "emergency stop. When it is safe: ./rldg run rldg_robot gate reset" in said(again)
    spin_until(person, lambda: states, "the gate")
    assert states[-1].state == SafetyState.STOPPED
    assert states[-1].reason.startswith("emergency stop (since 2")
    poses.clear()
    end = person.get_clock().now().nanoseconds + 5_000_000_000
    spin_until(person, lambda: person.get_clock().now().nanoseconds > end, "a while")
    assert {state.state for state in states} == {SafetyState.STOPPED}
    still = np.ptp(poses, axis=0) if poses else np.zeros(3)
    assert np.all(still < 1e-3)

    release = person.create_client(Trigger, contract.SAFETY_RESET)
    spin_until(person, release.service_is_ready, "the gate's service")
    answer = release.call_async(Trigger.Request())
    spin_until(person, answer.done, "the answer")
    assert answer.result().message.startswith("released: emergency stop")
    spin_until(person, lambda: states[-1].state == SafetyState.PASS, "going on")
    assert not (processes.folder / "kept" / "logs" / "gate_stopped.json").exists()
    person.destroy_node()
