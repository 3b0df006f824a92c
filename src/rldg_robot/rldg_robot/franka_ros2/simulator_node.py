# SPDX-License-Identifier: Apache-2.0
"""A simulated franka_ros2: its topics with its quality of service, and services and actions where their messages are.

Where controller_manager_msgs is not installed the controller could not be switched on, so it is on from the beginning.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, WrenchStamped
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import SetParametersResult
from rclpy.action import ActionServer
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_core.message_values import SECOND, pose_of
from rldg_core.task import load_task
from rldg_robot.arm.topics import CameraTopics
from rldg_robot.franka_ros2 import interfaces as franka_ros2
from rldg_robot.franka_ros2.foreign_messages import interface, missing
from rldg_robot.franka_ros2.moment import ARM
from rldg_robot.franka_ros2.simulator import DEFAULTS, SimulatedRobot
from rldg_robot.node_main import run_main, spin
from rldg_robot.ros import now, publish_on
from rldg_robot.ros_values import to_pose_stamped, to_stamp
from rldg_robot.simulation.torque_twin import TICK

STATE_RATE = 100  # [Hz] of the broadcaster, as config/franka_ros2.yaml sets it
TICKS = round(1 / STATE_RATE / TICK)
FINGERS_EVERY = 7  # states: about the 15 Hz of franka_gripper
IMAGE_EVERY = 4  # states
LAG = 0.1  # [s] that may be caught up
AT_ONCE = 2  # states
# More, on a machine that is too slow for real time, would keep everybody else waiting for ever.
HARDWARE = "FrankaHardwareInterface"


class Controller(Node):
    """crisp's controller as a node: parameters, and targets from a single publisher."""

    def __init__(self, robot: SimulatedRobot) -> None:
        # The name that a stack gives its process is not the controller's.
        super().__init__(
            franka_ros2.CONTROLLER,
            namespace=franka_ros2.NAMESPACE,
            use_global_arguments=False,
        )
        self._robot = robot
        for name, value in DEFAULTS.items():
            self.declare_parameter(name, value)
        self.add_on_set_parameters_callback(self._on_parameters)
        topic = franka_ros2.TARGET_POSE.name.removeprefix(f"{franka_ros2.NAMESPACE}/")
        self.create_subscription(PoseStamped, topic, self._on_target, 1)

    def _on_target(self, message: PoseStamped) -> None:
        if self.count_publishers("target_pose") == 1:
            self._robot.hear(pose_of(message.pose))

    def _on_parameters(self, parameters: list[Any]) -> SetParametersResult:
        known = {p.name: p.value for p in parameters if p.name in DEFAULTS}
        self._robot.set(known)
        return SetParametersResult(successful=True)


class FrankaRos2SimulatorNode(Node):
    """Everything else."""

    def __init__(self) -> None:
        super().__init__("franka_ros2_simulator")
        task = load_task(self.declare_parameter("task", "connector/vga").value)
        size = int(self.declare_parameter("image_size", 128).value)
        force = float(self.declare_parameter("reflex_force", 80.0).value)
        self.robot = SimulatedRobot(task, force, size)
        self.controller = Controller(self.robot)
        self._states = 0
        self._broadcasting = True
        self._camera = CameraTopics(self)
        self._pose = publish_on(self, franka_ros2.CURRENT_POSE)
        self._wrench = publish_on(self, franka_ros2.STIFFNESS_FRAME_WRENCH)
        self._joints = publish_on(self, franka_ros2.MEASURED_JOINTS)
        self._fingers = publish_on(self, franka_ros2.FINGERS)
        self._fingers_rest: Future | None = None
        self.create_service(Trigger, "simulated_reflex", self._on_reflex)
        if missing("controller_manager_msgs"):
            self.robot.switch(True)
        else:
            self._offer_controller_manager()
        if not missing("franka_msgs"):
            self._offer_franka()
        self.robot.world.image()  # the first one takes long
        self._due = time.monotonic()
        self.create_timer(1 / STATE_RATE, self._step, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"{task.id}: franka_ros2 in /{franka_ros2.NAMESPACE}")

    def _offer_controller_manager(self) -> None:
        self._activity = publish_on(self, franka_ros2.ACTIVITY)
        switch = interface("controller_manager_msgs/srv/SwitchController")
        hardware = interface("controller_manager_msgs/srv/SetHardwareComponentState")
        self.create_service(switch, franka_ros2.SWITCH, self._on_switch)
        self.create_service(hardware, franka_ros2.SET_HARDWARE, self._on_hardware)
        self._tell_activity()

    def _offer_franka(self) -> None:
        self._state = publish_on(self, franka_ros2.ROBOT_STATE)
        collision = interface("franka_msgs/srv/SetFullCollisionBehavior")
        self.create_service(collision, franka_ros2.SET_COLLISION, self._on_settings)
        self.create_service(
            interface("franka_msgs/srv/SetLoad"), franka_ros2.SET_LOAD, self._on_settings
        )
        for kind, name, does in (
            ("ErrorRecovery", franka_ros2.RECOVER, self._recover),
            ("Grasp", franka_ros2.GRASP, self._move_fingers),
            ("Move", franka_ros2.MOVE, self._move_fingers),
        ):
            ActionServer(self, interface(f"franka_msgs/action/{kind}"), name, does)

    def _step(self) -> None:
        """The ticks that are due, some at a time; what is more than 0.1 s late is lost."""
        self._due = max(self._due, time.monotonic() - LAG)
        before = self.robot.controlled
        for _ in range(AT_ONCE):
            if self._due > time.monotonic():
                break
            for _ in range(TICKS):
                self.robot.tick()
            self._due += TICKS * TICK
            self._states += 1
            self._publish()
        if before and not self.robot.controlled:
            self._end()
        if self._fingers_rest is not None and not self.robot.world.gripper_moving:
            self._fingers_rest.set_result(True)
            self._fingers_rest = None

    def _publish(self) -> None:
        world, stamp = self.robot.world, to_stamp(now(self))
        if self._broadcasting:
            self._broadcast(stamp)
        if self._states % FINGERS_EVERY == 0:
            half = 0.5 * world.gripper_width
            names = list(contract.JOINT_NAMES[7:])
            fingers = JointState(name=names, position=[half, half])
            fingers.header.stamp = stamp
            self._fingers.publish(fingers)
        if self._states % IMAGE_EVERY == 0:
            self._camera.publish(world.image(), world.camera_matrix, stamp)

    def _broadcast(self, stamp: Time) -> None:
        """In the order of franka_robot_state_broadcaster."""
        world = self.robot.world
        nanoseconds = stamp.sec * SECOND + stamp.nanosec
        if not missing("franka_msgs"):
            state = interface(franka_ros2.ROBOT_STATE.type)()
            state.header.stamp = stamp
            state.robot_mode = franka_ros2.MODES.index(self.robot.mode)
            self._state.publish(state)
        self._pose.publish(to_pose_stamped(world.pose, nanoseconds, BASE_FRAME))
        wrench = WrenchStamped()
        wrench.header.stamp = stamp
        pressed = -world.wrench  # libfranka counts what the robot exerts as positive
        for vector, values in (
            (wrench.wrench.force, pressed[:3]),
            (wrench.wrench.torque, pressed[3:]),
        ):
            vector.x, vector.y, vector.z = map(float, values)
        self._wrench.publish(wrench)
        joints = JointState(
            name=list(ARM),
            position=world.joint_positions[:7].tolist(),
            velocity=world.joint_velocities[:7].tolist(),
            effort=np.array(world.arm_efforts).tolist(),
        )
        joints.header.stamp = stamp
        self._joints.publish(joints)

    def _on_reflex(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.robot.fail()
        self._end()
        response.success = True
        return response

    def _end(self) -> None:
        """What the controller manager does with an error of the hardware: everything that used it ends."""
        self._broadcasting = False
        if not missing("controller_manager_msgs"):
            self._tell_activity()

    def _on_switch(self, request: Any, response: Any) -> Any:
        names, off = set(request.activate_controllers), set(request.deactivate_controllers)
        response.ok = self.robot.hardware or not names
        if response.ok and names & set(franka_ros2.BROADCASTERS):
            self._broadcasting = True
        for group, on in ((names, True), (off, False)):
            if franka_ros2.CONTROLLER in group and response.ok:
                response.ok = self.robot.switch(on)
        response.message = "" if response.ok else "the hardware is not active"
        self._tell_activity()
        return response

    def _on_hardware(self, request: Any, response: Any) -> Any:
        # A robot in reflex has no state to begin with.
        response.ok = request.name == HARDWARE and self.robot.mode == "Idle"
        self.robot.hardware = self.robot.hardware or response.ok
        self._tell_activity()
        return response

    def _on_settings(self, _: Any, response: Any) -> Any:
        response.success = not self.robot.controlled
        response.error = "" if response.success else "command not possible in the current mode"
        return response

    def _recover(self, goal: Any) -> Any:
        self.robot.clear()
        goal.succeed()
        return interface("franka_msgs/action/ErrorRecovery").Result()

    async def _move_fingers(self, handle: Any) -> Any:
        kind = type(handle.request).__module__.split("_")[-1]
        name = "Grasp" if kind == "grasp" else "Move"
        target = handle.request
        self.robot.world.command_gripper(target.width, target.speed, getattr(target, "force", 20.0))
        self._fingers_rest = Future()
        await self._fingers_rest
        handle.succeed()
        return interface(f"franka_msgs/action/{name}").Result(success=True)

    def _tell_activity(self) -> None:
        robot = self.robot
        named = interface("controller_manager_msgs/msg/NamedLifecycleState")

        def said(name: str, on: bool, off: str) -> Any:
            return named(name=name, state=State(label="active" if on else off))

        message = interface(franka_ros2.ACTIVITY.type)()
        message.controllers = [
            said(franka_ros2.CONTROLLER, robot.controlled, "inactive"),
            *(said(name, self._broadcasting, "inactive") for name in franka_ros2.BROADCASTERS),
        ]
        message.hardware_components = [said(HARDWARE, robot.hardware, "unconfigured")]
        self._activity.publish(message)


def _simulate() -> None:
    node = FrankaRos2SimulatorNode()
    spin(SingleThreadedExecutor(), rclpy.ok, node.controller, node)


def main() -> None:
    """Entry point."""
    run_main(_simulate)
