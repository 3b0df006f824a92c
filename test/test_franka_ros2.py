# SPDX-License-Identifier: Apache-2.0
"""The driver of an arm behind franka_ros2, before a simulated one that speaks the same topics, services and actions.

Where the messages of franka_ros2 and ros2_control are not installed the simulation offers none of their services, and
what needs them is skipped.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import WrenchStamped
from harness import Processes, executable, expect_exit, spin_until
from lab import Lab, raised
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of, read_summary
from rldg_core.message_values import nanoseconds, vector_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_msgs.msg import GripperCommand, GripperState
from rldg_robot.franka_ros2.foreign_messages import missing
from rldg_robot.franka_ros2.simulator import SimulatedRobot
from rldg_robot.franka_ros2.simulator_node import FrankaRos2SimulatorNode
from rldg_robot.ros import listen_to, now, publish_on
from rldg_robot.simulation.torque_twin import TICK

VGA = load_task("connector/vga")
STOP_AFTER = 1.5
ABSENT = missing("controller_manager_msgs") or missing("franka_msgs")
with_their_messages = pytest.mark.skipif(bool(ABSENT), reason=ABSENT)


class Arm(Lab):
    """Also looks at force and fingers."""

    def __init__(self) -> None:
        super().__init__("franka_ros2")
        self.force = np.zeros(3)
        self.hand = GripperState()
        self.joints = JointState()
        listen_to(self, contract.EXTERNAL_WRENCH, self._on_wrench)
        listen_to(self, contract.GRIPPER_STATE, lambda m: setattr(self, "hand", m))
        listen_to(self, contract.JOINT_STATES, lambda m: setattr(self, "joints", m))
        self.gripper = publish_on(self, contract.GRIPPER_COMMAND)
        self.reflex = self.create_client(Trigger, "simulated_reflex")

    def _on_wrench(self, message: WrenchStamped) -> None:
        self.force = vector_of(message.wrench.force)

    def travel(self, there: Pose) -> None:
        """In steps, as the gate lets targets through."""

        def near() -> bool:
            left = there.position - self.pose.position
            far = float(np.linalg.norm(left))
            part = min(1.0, 0.01 / max(far, 1e-9))
            self.send(Pose(self.pose.position + part * left, there.quaternion))
            self.wait(0.05)
            return far < 0.006

        self.until(near)

    def press(self) -> None:
        """Pull the plug down onto the board beside the socket, as hard as the task's spring may."""
        goal = VGA.goal_pose
        for height in (-0.06, -0.012):
            self.travel(goal @ Pose.from_rotvec([0.02, 0.02, height], np.zeros(3)))
        self.drive(
            goal @ Pose.from_rotvec([0.02, 0.02, 0.03], np.zeros(3)), lambda: self.force[2] < -12.0
        )


@pytest.fixture
def lab(processes: Processes, domain: int) -> Iterator[Arm]:
    processes.node("rldg_robot", "franka_ros2_simulator", task=VGA.id)
    driver(processes)
    rclpy.init()
    lab = Arm()
    lab.meet_driver()
    yield lab
    lab.destroy_node()
    rclpy.shutdown()


def driver(processes: Processes) -> None:
    processes.node("rldg_robot", "franka_ros2", task=VGA.id, stop_after=STOP_AFTER)


def test_the_contracts_topics_come_from_theirs_under_their_stamp(lab: Arm) -> None:
    start, count = lab.pose, len(lab.poses)
    lab.until(lambda: len(lab.poses) - count > 50)
    offset = VGA.goal_pose.relative_to(start)
    assert np.allclose(vector_of(lab.task_state.offset.position), offset.position, atol=1e-3)
    lab.until(lambda: lab.joints.name)
    assert tuple(lab.joints.name) == contract.JOINT_NAMES and len(lab.joints.position) == 9
    lab.until(lambda: lab.hand.width > 0.0)
    stamps = [nanoseconds(message.header.stamp) for message in lab.poses]
    assert sorted(set(stamps)) == stamps and 0 < now(lab) - stamps[-1] < 2e8
    lab.until(lambda: int(lab.said.get("states", "0 ").split()[0]) > 50)
    assert (ABSENT in lab.said["lacks"]) if ABSENT else lab.said["lacks"] == "nothing"


def test_targets_move_the_arm_and_their_silence_holds_it(lab: Arm) -> None:
    start = lab.pose
    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)
    lab.drive(raised(start, 0.01), lambda: lab.said.get("message") == "follows targets")
    lab.until(lambda: lab.said.get("target_age") == "no target")
    where = lab.pose
    lab.wait(0.5)
    assert np.linalg.norm(lab.pose.position - where.position) < 1e-3
    lab.drive(raised(start, 0.02), lambda: lab.height_above(start) > 0.017)


def test_what_is_no_pose_moves_nothing_and_a_flood_costs_nothing(lab: Arm) -> None:
    start = lab.pose
    for i in range(2000):
        lab.send(raised(start, 0.01 * np.sin(i)))
    lab.drive(raised(start, 0.012), lambda: abs(lab.height_above(start) - 0.012) < 0.002)
    lab.send(Pose(np.full(3, np.nan), start.quaternion))
    lab.until(lambda: lab.said.get("rejected") == "1")
    lab.send(Pose(start.position, 3.0 * start.quaternion))
    lab.until(lambda: lab.said.get("rejected") == "2")
    assert abs(lab.height_above(start) - 0.012) < 0.002


def test_it_presses_and_lets_go_before_it_ends(lab: Arm, processes: Processes) -> None:
    lab.press()
    _, first = processes.started
    first.send_signal(signal.SIGINT)
    lab.until(lambda: first.poll() is not None)
    driver(processes)
    lab.force = np.full(3, -99.0)
    lab.until(lambda: lab.force[2] > -10.0)


def test_a_simulation_too_slow_for_real_time_still_answers(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedRobot, "tick", lambda _: time.sleep(2 * TICK))
    rclpy.init()
    node = FrankaRos2SimulatorNode()
    client = node.create_client(Trigger, "simulated_reflex")
    spin_until(node, client.service_is_ready, "the simulation's service")
    answer = client.call_async(Trigger.Request())
    spin_until(node, answer.done, "an answer")
    node.controller.destroy_node()
    node.destroy_node()


def test_without_franka_ros2_nothing_is_published_and_with_it_it_goes_on(
    lab: Arm, processes: Processes
) -> None:
    simulator, driver = processes.started
    simulator.send_signal(signal.SIGKILL)
    simulator.wait()
    lab.until(lambda: "no state of the robot" in lab.said.get("message", ""))
    count = len(lab.poses)
    lab.send(raised(lab.pose, 0.01))
    lab.wait(0.5)
    assert len(lab.poses) == count and driver.poll() is None
    processes.node("rldg_robot", "franka_ros2_simulator", task=VGA.id)
    lab.meet_driver()
    start = lab.pose
    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)


@pytest.mark.skipif(not ABSENT, reason="their messages are installed")
def test_without_their_messages_it_says_what_is_missing(lab: Arm, processes: Processes) -> None:
    lab.until(lambda: lab.hand.width > 0.0)
    lab.gripper.publish(GripperCommand(width=0.08, speed=0.1, force=20.0))
    lab.until(lambda: "franka_msgs is not installed" in lab.said.get("gripper", ""))
    processes.started[0].kill()
    lab.until(lambda: "no state of the robot" in lab.said.get("message", ""))
    command = processes.start(executable("rldg_robot", "arm"), "recover")
    lab.until(lambda: command.poll() is not None)
    assert "not recovered: franka_msgs is not installed" in command.log.read_text()


@with_their_messages
def test_the_controller_is_on_from_the_first_target_to_the_end_of_patience(lab: Arm) -> None:
    lab.until(lambda: lab.said.get("message") == "idle")
    start = lab.pose
    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)
    lab.until(lambda: lab.said.get("message") == "follows targets")
    lab.until(lambda: lab.said.get("message") == "idle")
    lab.drive(raised(start, 0.02), lambda: lab.height_above(start) > 0.017)


@with_their_messages
def test_after_a_reflex_it_moves_again_only_when_a_person_asks(
    lab: Arm, processes: Processes
) -> None:
    start = lab.pose
    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)
    lab.until(lab.reflex.service_is_ready)
    answer = lab.reflex.call_async(Trigger.Request())
    lab.until(answer.done)
    # Whoever goes on sending targets is not heard, neither now nor later.
    lab.drive(raised(start, -0.02), lambda: "arm recover" in lab.said.get("message", ""))
    count = len(lab.poses)
    lab.wait(1.0)
    assert len(lab.poses) == count, "nothing is measured, nothing is published"
    command = processes.start(executable("rldg_robot", "arm"), "recover")
    lab.until(lambda: command.poll() is not None)
    assert "recovered from:" in command.log.read_text(), command.log.read_text()
    lab.until(lambda: len(lab.poses) > count + 50)
    assert abs(lab.height_above(start) - 0.01) < 0.003
    lab.drive(raised(start, 0.02), lambda: lab.height_above(start) > 0.017)


@with_their_messages
def test_the_hand_opens_and_grasps(lab: Arm) -> None:
    lab.until(lab.gripper.get_subscription_count)
    for width in (0.03, 0.05, 0.08):  # the newest counts
        lab.gripper.publish(GripperCommand(width=width, speed=0.1, force=20.0))
    lab.until(lambda: lab.hand.width > 0.079)
    lab.gripper.publish(GripperCommand(width=0.0, speed=0.1, force=20.0))
    lab.until(lambda: lab.hand.grasped)
    assert 0.01 < lab.hand.width < 0.03 and not lab.hand.moving, "around the plug"
    lab.until(lambda: lab.said.get("gripper") == "ok")


def test_the_operator_inserts_through_the_whole_stack(processes: Processes) -> None:
    run = processes.folder / "runs" / "real"
    words = {"runs": run.parent, "name": run.name, "task": VGA.id, "robot": "franka_ros2"}
    stack = processes.stack("collect", source="operator", episodes=1, **words)
    expect_exit(stack)
    bags = sorted((run / "bags").iterdir())
    done = [bag for bag in bags if read_summary(bag).status == "success"]
    assert len(done) == 1
    last = messages_of(done[0], contract.TASK_STATE)[-1]
    assert abs(last.offset.position.z) < 0.003 and last.success
