# SPDX-License-Identifier: Apache-2.0
"""What every driver of an arm does, whichever way it speaks to it: targets in under a watchdog, measurements out."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.contract import Topic
from rldg_core.message_values import pose_of
from rldg_core.poses import Pose
from rldg_core.site_file import site
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_msgs.msg import GripperCommand, TaskState
from rldg_msgs.srv import Reset
from rldg_robot.arm.body import Body
from rldg_robot.arm.gripper_motion import GripperReading
from rldg_robot.arm.measured import Measured
from rldg_robot.arm.pose_rule import AT_GOAL, goal_stays, progress
from rldg_robot.arm.topics import BodyTopics
from rldg_robot.arm.watchdog import Due, Watchdog
from rldg_robot.message_check import fault_of
from rldg_robot.publishers import Rivals
from rldg_robot.ros import now, publish_on
from rldg_robot.ros_values import to_pose_msg, to_stamp
from rldg_robot.safety import Grip

STATE_RATE = 100  # [Hz]
REPORT_PERIOD = 1.0  # [s]


class Arm(Protocol):
    """What every arm can do."""

    @property
    def following(self) -> bool:
        """Whether something pulls it towards a target."""

    def stop(self) -> None:
        """End control; the robot then holds its joints by itself."""


class GripperDriver(Protocol):
    """What every hand can do."""

    @property
    def fault(self) -> str:
        """What went wrong with it; empty: nothing."""

    def command(self, width: float, speed: float, force: float) -> None:
        """Ask for a width [m] at a speed [m/s]; closing, press with a force [N]."""


AnyArm = TypeVar("AnyArm", bound=Arm)
AnyHand = TypeVar("AnyHand", bound=GripperDriver)


class ArmNode(Node, ABC, Generic[AnyArm, AnyHand]):
    """A driver; a subclass knows how to speak to its arm, calls `begin` once it does, then `watch` and `publish`."""

    arm: AnyArm
    gripper: AnyHand

    def __init__(self, name: str) -> None:
        """Read what both the task and the set-up say.

        Raises:
            UserError: it is unknown where the task's goal is.
        """
        super().__init__(name)
        self.task = load_task(self.declare_parameter("task", "connector/vga").value)
        if self.task.grasp is not None:
            raise UserError(
                f"{self.task.id} begins with a grasp, and a real arm does not know where the object lies: there "
                "are connector and fmb_insertion"
            )
        if not goal_stays(self.task):
            raise UserError(
                f"{self.task.id} has another goal in every episode, and no arm knows it: fasten the board, teach "
                "the goal, and write it under `goals` in the site's file (docs/how-to/fci.md)"
            )
        self.site, address = site(), str(self.declare_parameter("robot_ip", "").value)
        if address:
            self.site = replace(self.site, robot_ip=address)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.watchdog = Watchdog(stop_after=self.declare_parameter("stop_after", 10.0).value)
        self._rejected = 0
        self._let_go = False

    def begin(self) -> None:
        """Offer the contract's topics and services; before this no target is heard, nor kept."""
        self._body = BodyTopics(self)
        self._rivals = Rivals(self)
        self._task_state = TaskState(goal=to_pose_msg(self.task.goal_pose))
        self._diagnostics = publish_on(self, contract.DIAGNOSTICS)
        self._rivals.listen_to(contract.GRIPPER_COMMAND, self._on_gripper, checked=False)
        self._rivals.listen_to(contract.TARGET_POSE, self._on_target, checked=False)
        self.create_service(Reset, contract.RESET, self._on_reset)
        # Recovery may take its time, and what it waits for is heard meanwhile.
        beside = ReentrantCallbackGroup()
        self.create_service(Trigger, contract.ARM_RECOVER, self.on_recover, callback_group=beside)
        self.create_timer(REPORT_PERIOD, self._report, clock=self.steady)

    @property
    def following(self) -> bool:
        """Whether something pulls the arm towards a target."""
        return self.arm.following

    @property
    @abstractmethod
    def refusal(self) -> str:
        """Why the arm does not follow; empty: it does, or would."""

    @abstractmethod
    def follow(self, target: Pose) -> None:
        """Pull the TCP towards a pose in base."""

    def hold(self, pose: Pose) -> None:
        """Let go of what the spring still presses: pull the TCP to where it is."""
        self.follow(pose)

    def stop(self) -> None:
        """End control; the robot then holds its joints by itself."""
        self.arm.stop()

    def _on_gripper(self, message: GripperCommand) -> None:
        if self._refuses(contract.GRIPPER_COMMAND, message):
            return
        grip = Grip(message.width, message.speed, message.force).within_limits()
        self.gripper.command(grip.width, grip.speed, grip.force)

    @abstractmethod
    def on_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Clear the robot's errors, because a person asked for it."""

    @abstractmethod
    def details(self) -> Mapping[str, str]:
        """What else `/diagnostics` tells; asked once a second."""

    def watch(self, pose: Pose) -> None:
        """Do what silence of targets asks for, or that more than the gate sends some, of an arm whose TCP is there."""
        due = self.watchdog.due(time.monotonic())
        crowded, before = bool(self._rivals.who), self._let_go
        self._let_go = crowded
        if (due is Due.HOLD or (crowded and not before)) and self.following:
            self.hold(pose)
        elif due is Due.STOP:
            self.stop()

    def publish(self, measured: Measured, hand: GripperReading, stamp: Time) -> None:
        """All of one moment."""
        finger = 0.5 * hand.width
        offset = self.task.goal_pose.relative_to(measured.pose)
        body = Body(
            pose=measured.pose,
            twist=measured.twist,
            wrench=measured.wrench,
            joint_positions=np.append(measured.joint_positions, (finger, finger)),
            joint_velocities=np.append(measured.joint_velocities, (0.0, 0.0)),
            joint_efforts=np.append(measured.joint_efforts, (0.0, 0.0)),
            gripper_width=hand.width,
            gripper_moving=hand.moving,
            gripper_grasped=hand.grasped,
        )
        task_state = self._task_state
        task_state.offset = to_pose_msg(offset)
        task_state.progress = progress(self.task, offset)
        task_state.success = task_state.progress == AT_GOAL
        self._body.publish(body, task_state, stamp)

    def _on_target(self, message: PoseStamped) -> None:
        if self._refuses(contract.TARGET_POSE, message):
            return
        self.watchdog.heard(time.monotonic())
        self.follow(pose_of(message.pose))

    def _refuses(self, topic: Topic, message: Any) -> bool:
        """Whether nothing comes of a message: the gate lets no such pass, but whoever else publishes here might."""
        fault = self._rivals.heard() or fault_of(topic, message)
        if fault:
            self._rejected += 1
            self.get_logger().warning(
                f"refused a message on {topic.name}: {fault}", throttle_duration_sec=5.0
            )
        return bool(fault)

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        if not request.stay:
            response.message = (
                "an arm goes to its start through the gate, no driver puts it there: resets:=motion"
            )
        elif request.task not in ("", self.task.id):
            response.message = (
                f"the driver was started for {self.task.id}: start it again for {request.task}"
            )
        else:
            response.success = True
        response.stamp = to_stamp(now(self))
        return response

    def _report(self) -> None:
        age = self.watchdog.age(time.monotonic())
        values = {
            **self.details(),
            "following": str(self.following),
            "target_age": "no target" if age is None else f"{age:.2f} s",
            "rejected": str(self._rejected),
            "gripper": self.gripper.fault or "ok",
        }
        level = DiagnosticStatus.WARN if self.gripper.fault else DiagnosticStatus.OK
        refusal = self._rivals.who or self.refusal
        status = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if refusal else level,
            name=self.get_name(),
            message=refusal or ("follows targets" if self.following else "idle"),
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(now(self))
        self._diagnostics.publish(message)
