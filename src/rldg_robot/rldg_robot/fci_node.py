# SPDX-License-Identifier: Apache-2.0
"""A Franka arm as a driver of the robot contract: what it measures at 100 Hz, targets in, a watchdog over them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from rldg_msgs.msg import GripperCommand, TaskState
from rldg_msgs.srv import Reset
from rldg_robot import contract
from rldg_robot.body_topics import Body, BodyTopics
from rldg_robot.fci_arm import ArmLost, ArmRefuses, ArmState, FciArm
from rldg_robot.fci_gripper import FciGripper
from rldg_robot.fci_watchdog import Due, Watchdog
from rldg_robot.message_values import pose_of
from rldg_robot.node_main import run_node
from rldg_robot.pose_rule import goal_stays, is_there, progress
from rldg_robot.poses import Pose
from rldg_robot.ros import listen_to, now, publish_on, to_pose_msg, to_stamp
from rldg_robot.site_file import site
from rldg_robot.task import load_task
from rldg_robot.user_error import UserError

STATE_RATE = 100  # [Hz]
REPORT_PERIOD = 1.0  # [s]


class FciNode(Node):
    """Publishes what the arm measures; moves it where the gate says."""

    def __init__(self) -> None:
        super().__init__("fci")
        self.task = load_task(self.declare_parameter("task", "connector/vga").value)
        if not goal_stays(self.task):
            raise UserError(
                f"{self.task.id} has another goal in every episode, and no arm knows it: fasten the board, teach "
                "the goal, and write it under `goals` in the site's file (docs/fci.md)"
            )
        place, address = site(), str(self.declare_parameter("robot_ip", "").value)
        if address:
            place = replace(place, robot_ip=address)
        self.arm = FciArm(place, self.task.compliance)
        self.gripper = FciGripper(place.robot_ip)
        self._watchdog = Watchdog(stop_after=self.declare_parameter("stop_after", 10.0).value)
        self._refusal = ""
        self._rejected = 0
        self._state = self.arm.state()
        self._success_rates: list[float] = []

        self._body = BodyTopics(self)
        self._diagnostics = publish_on(self, contract.DIAGNOSTICS)
        listen_to(self, contract.GRIPPER_COMMAND, self._on_gripper)
        listen_to(self, contract.TARGET_POSE, self._on_target)
        self.create_service(Reset, contract.RESET, self._on_reset)
        self.create_service(Trigger, contract.ARM_RECOVER, self._on_recover)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / STATE_RATE, self._tick, clock=steady)
        self.create_timer(REPORT_PERIOD, self._report, clock=steady)
        self.get_logger().info(f"{self.task.id}: the arm at {place.robot_ip} is connected")

    def destroy_node(self) -> None:
        """Brake first."""
        self.arm.close()
        self.gripper.close()
        super().destroy_node()

    def _on_target(self, message: PoseStamped) -> None:
        target = pose_of(message.pose)
        if not target.is_finite():  # the gate lets none through; whoever else publishes here might
            self._rejected += 1
            return
        self._watchdog.heard(time.monotonic())
        self._follow(target)

    def _follow(self, target: Pose) -> None:
        try:
            self.arm.follow(target)
            self._refusal = ""
        except ArmRefuses as error:
            self._refusal = str(error)
            self.get_logger().error(self._refusal, throttle_duration_sec=5.0)
        except ArmLost as error:
            self._end(error)

    def _on_gripper(self, message: GripperCommand) -> None:
        self.gripper.command(message.width, message.speed, message.force)

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

    def _on_recover(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            response.message = self.arm.recover()
        except ArmLost as error:
            self._end(error)
        response.success = not response.message.startswith("not")
        if response.success:
            self._refusal = ""
        return response

    def _tick(self) -> None:
        try:
            before, self._state = self._state, self.arm.state()
            trouble = self.arm.trouble()
        except ArmLost as error:
            self._end(error)
        if trouble and trouble != self._refusal:
            self._refusal = trouble
            self.get_logger().error(trouble)
        self._watch()
        # Where the robot's states stop coming, libfranka notices after a second, and gives the last one until then:
        # under a fresh stamp it would keep the gate open.
        if self._state.clock == before.clock:
            return
        if self.arm.following:
            self._success_rates.append(self._state.success_rate)
        self._publish(self._state)

    def _watch(self) -> None:
        due = self._watchdog.due(time.monotonic())
        if due is Due.HOLD and self.arm.following:
            self._follow(self._state.pose)
        elif due is Due.STOP:
            self.arm.stop()

    def _publish(self, state: ArmState) -> None:
        hand = self.gripper.reading
        finger = 0.5 * hand.width
        offset = self.task.goal_pose.relative_to(state.pose)
        body = Body(
            pose=state.pose,
            twist=state.twist,
            wrench=state.wrench,
            joint_positions=np.append(state.joint_positions, (finger, finger)),
            joint_velocities=np.append(state.joint_velocities, (0.0, 0.0)),
            joint_efforts=np.append(state.joint_efforts, (0.0, 0.0)),
            gripper_width=hand.width,
            gripper_moving=hand.moving,
            gripper_grasped=hand.grasped,
        )
        task_state = TaskState(
            goal=to_pose_msg(self.task.goal_pose),
            offset=to_pose_msg(offset),
            progress=progress(self.task, offset),
            success=is_there(offset),
        )
        self._body.publish(body, task_state, to_stamp(now(self)))

    def _report(self) -> None:
        state = self._state
        rates, self._success_rates = self._success_rates, []
        age = self._watchdog.age(time.monotonic())
        values = {
            "mode": state.mode,
            "errors": ", ".join(state.errors) or "none",
            "following": str(self.arm.following),
            "target_age": "no target" if age is None else f"{age:.2f} s",
            "control_command_success_rate": f"{min(rates):.2f}" if rates else "not in control",
            "rejected": str(self._rejected),
            "gripper": self.gripper.fault or "ok",
        }
        level = DiagnosticStatus.WARN if self.gripper.fault else DiagnosticStatus.OK
        status = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if self._refusal else level,
            name="fci",
            message=self._refusal or ("follows targets" if self.arm.following else "idle"),
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(now(self))
        self._diagnostics.publish(message)

    def _end(self, error: ArmLost) -> None:
        """Give up, to be started anew: a connection that broke is made again from its beginning."""
        self.get_logger().error(str(error))
        raise SystemExit(1) from error


def main() -> None:
    """Entry point."""
    run_node(FciNode)
