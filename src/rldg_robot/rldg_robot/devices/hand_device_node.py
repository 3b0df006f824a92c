# SPDX-License-Identifier: Apache-2.0
"""A device in a person's hand as a node: a SpaceMouse or a gamepad, as `spacenav/joy` and `spacenav/twist`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from geometry_msgs.msg import Twist
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Joy

from rldg_core import contract
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_robot.devices.gamepad import KEYS, open_gamepad
from rldg_robot.devices.hand_device import DeviceLost, DeviceMissing, HandDevice, Push, held_to_run
from rldg_robot.devices.mounting import Mounting
from rldg_robot.devices.spacemouse import open_spacemouse
from rldg_robot.node_main import run_node
from rldg_robot.ros import now, publish_on
from rldg_robot.ros_values import to_stamp

PERIOD = 0.02  # [s] of wall time: five messages for every control step
AGAIN_SECONDS = 1.0  # until a device that was lost is looked for again


class PushPublisher:
    """What a SpaceMouse's driver publishes, in axes of base."""

    def __init__(self, node: Node) -> None:
        """The node's parameters `facing` and `deadband` are those of `Mounting`."""
        self._node = node
        either = ParameterDescriptor(dynamic_typing=True)  # 180 as well as 180.0
        default = Mounting()
        self._mounting = Mounting(
            float(node.declare_parameter("facing", default.facing, either).value),
            float(node.declare_parameter("deadband", default.deadband, either).value),
        )
        self._joy = publish_on(node, contract.SPACENAV_JOY)
        self._twist = publish_on(node, contract.SPACENAV_TWIST)

    def publish(self, push: Push) -> None:
        """Tell of a push, stamped now."""
        axes = self._mounting.in_base(push).tolist()
        joy = Joy(axes=axes, buttons=[int(button) for button in push.buttons])
        joy.header.stamp = to_stamp(now(self._node))
        self._joy.publish(joy)
        twist = Twist()
        linear, angular = twist.linear, twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = axes
        self._twist.publish(twist)


class HandDeviceNode(Node):
    """Reads a device and tells of it as long as it is there: its silence tells that it is not."""

    def __init__(self, name: str) -> None:
        """Raises UserError where a task's gripper needs the buttons that are held to run."""
        super().__init__(name)
        self._pushes = PushPublisher(self)
        self._held_to_run = bool(self.declare_parameter("hold_to_run", False).value)
        task = str(self.declare_parameter("task", "").value)
        if self._held_to_run and task and load_task(task).learns_gripper:
            raise UserError(
                f"hold_to_run:=true takes the buttons, and {task} needs them to open and close the gripper: leave it "
                "out, or take operator:=gamepad"
            )

    def read_from(self, find: Callable[[], HandDevice]) -> None:
        """Begin with the device that is there now, found as it will be found again.

        Raises:
            DeviceMissing: there is none.
        """
        self._find = find
        self._device: HandDevice | None = find()
        self._looked = 0.0
        self.get_logger().info(f"{self._device.name} is there")
        self.create_timer(PERIOD, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _tell(self) -> None:
        device = self._device or self._look_again()
        if device is None:
            return
        try:
            push = device.read()
            self._pushes.publish(held_to_run(push) if self._held_to_run else push)
        except DeviceLost as error:
            self.get_logger().error(f"{error}; looking for it again")
            self._pushes.publish(Push())
            device.close()
            self._device = None

    def _look_again(self) -> HandDevice | None:
        if time.monotonic() - self._looked < AGAIN_SECONDS:
            return None
        self._looked = time.monotonic()
        try:
            self._device = self._find()
        except DeviceMissing:
            return None
        self.get_logger().info(f"{self._device.name} is back")
        return self._device


def spacemouse() -> None:
    """Entry point."""

    def make() -> Node:
        node = HandDeviceNode("spacemouse")
        device = str(node.declare_parameter("device", "hid").value)
        node.read_from(partial(open_spacemouse, device))
        return node

    run_node(make)


def gamepad() -> None:
    """Entry point."""

    def make() -> Node:
        node = HandDeviceNode("gamepad")
        node.read_from(open_gamepad)
        node.get_logger().info(KEYS)
        return node

    run_node(make)
