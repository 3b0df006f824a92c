# SPDX-License-Identifier: Apache-2.0
"""Franka's hand behind franka_ros2's actions: one goal at a time, for their server arbitrates between none."""

from __future__ import annotations

import time
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node
from sensor_msgs.msg import JointState

from rldg_core.gripper_command import MAX_GRIPPER_WIDTH
from rldg_robot.arm.gripper_motion import (
    MET,
    STALE_SECONDS,
    GripperReading,
    GripperTarget,
    Motion,
    motion_for,
)
from rldg_robot.franka_ros2 import interfaces as franka_ros2
from rldg_robot.franka_ros2.control import SOON, met, within
from rldg_robot.franka_ros2.foreign_messages import interface, missing
from rldg_robot.ros import listen_to

MOTION_SECONDS = 10.0
"""that a motion may take; a real hand takes one or two"""


class FrankaRos2Gripper:
    """The hand. The newest command wins: those that came during another are dropped."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._width = 0.0
        self._heard = -STALE_SECONDS
        self._busy = self._grasped = False
        self._target: GripperTarget | None = None
        self._fault = ""
        self._lacking = missing("franka_msgs")
        self._clients: dict[Motion, ActionClient] = {}
        if not self._lacking:
            for motion, name in ((Motion.GRASP, "Grasp"), (Motion.MOVE, "Move")):
                place = franka_ros2.GRASP if motion is Motion.GRASP else franka_ros2.MOVE
                kind = interface(f"franka_msgs/action/{name}")
                self._clients[motion] = ActionClient(node, kind, place)
        listen_to(node, franka_ros2.FINGERS, self._on_fingers)

    @property
    def reading(self) -> GripperReading | None:
        """The last one; None where it is too long ago."""
        if time.monotonic() - self._heard > STALE_SECONDS:
            return None
        held = self._grasped and self._width > MET
        return GripperReading(self._width, self._busy, held and not self._busy)

    @property
    def fault(self) -> str:
        """What went wrong with the last command, or with looking; empty: nothing."""
        if self.reading is None:
            return f"nothing comes at {franka_ros2.FINGERS.name}: was it started with the gripper?"
        return self._fault

    def command(self, width: float, speed: float, force: float) -> None:
        """Ask for a width [m] at a speed [m/s]; closing, press with a force [N]. Returns at once."""
        self._target = GripperTarget(width, speed, force)
        self._go_on()

    def _go_on(self) -> None:
        now = self.reading
        if self._busy or self._target is None or now is None:
            return
        target, self._target = self._target, None
        motion = motion_for(target, now)
        if motion is Motion.NONE:
            return
        if self._lacking:
            self._fault = f"the fingers do not move: {self._lacking}"
            return
        self._busy = True
        self._node.executor.create_task(self._carry_out, target, motion)

    async def _carry_out(self, target: GripperTarget, motion: Motion) -> None:
        self._grasped = False
        wrong = await self._ask(self._clients[motion], _goal(target, motion))
        self._grasped = motion is Motion.GRASP and not wrong
        self._fault = f"the gripper did not reach {1000 * target.width:.0f} mm: {wrong}" * bool(
            wrong
        )
        self._busy = False
        self._go_on()

    async def _ask(self, client: ActionClient, goal: Any) -> str:
        """Have a goal carried out; returns what went wrong, empty: nothing."""
        handle = None
        if await met(self._node, client.server_is_ready):
            handle = await within(self._node, client.send_goal_async(goal), SOON)
        if handle is None:
            return "franka_gripper does not answer"
        answer = await within(self._node, handle.get_result_async(), MOTION_SECONDS)
        if answer is None:
            return f"it took longer than {MOTION_SECONDS:.0f} s"
        return "" if answer.result.success else answer.result.error or "something was in its way"

    def _on_fingers(self, message: JointState) -> None:
        self._width, self._heard = float(sum(message.position)), time.monotonic()
        self._go_on()


def _goal(target: GripperTarget, motion: Motion) -> Any:
    if motion is Motion.MOVE:
        return interface("franka_msgs/action/Move").Goal(width=target.width, speed=target.speed)
    goal = interface("franka_msgs/action/Grasp").Goal(
        width=target.width, speed=target.speed, force=target.force
    )
    # Whatever stops the fingers counts as grasped.
    goal.epsilon.inner, goal.epsilon.outer = 0.0, MAX_GRIPPER_WIDTH
    return goal
