# SPDX-License-Identifier: Apache-2.0
"""What is asked of franka_ros2 beside the stream of targets: gains, thresholds, switching, recovery.

Every request returns what went wrong, empty: nothing, and waits as long for its answer as a real robot may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from action_msgs.msg import GoalStatus
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future

from rldg_core.site_file import Site
from rldg_core.task import Compliance
from rldg_robot.arm import modes as arm_modes
from rldg_robot.arm.modes import REMEDY, why_not
from rldg_robot.franka_ros2 import interfaces as franka_ros2
from rldg_robot.franka_ros2.foreign_messages import interface, missing
from rldg_robot.ros import listen_to, qos

SOON, LATER = 3.0, 30.0
"""[s] for what answers at once, and for what a robot takes its time for"""

LOOK_SECONDS = 0.05
"""between two looks for the other side"""


async def within(node: Node, future: Future, seconds: float) -> Any:
    """The result of a future; None where it has none in time."""
    timer = node.create_timer(seconds, future.cancel)
    try:
        return await future
    finally:
        node.destroy_timer(timer)


async def met(node: Node, ready: Callable[[], bool]) -> bool:
    """Whether the other side of a client was found in time: what is sent before that is lost."""
    if ready():
        return True
    found = Future()
    timer = node.create_timer(LOOK_SECONDS, lambda: found.set_result(True) if ready() else None)
    try:
        return bool(await within(node, found, SOON))
    finally:
        node.destroy_timer(timer)


class FrankaRos2Control:
    """Asks franka_ros2, and knows whether its Cartesian controller runs."""

    def __init__(self, node: Node, site: Site, compliance: Compliance) -> None:
        """Look for what can be asked at all."""
        self._node, self._site = node, site
        self._gains = franka_ros2.crisp_parameters(compliance)
        self._set_parameters = node.create_client(SetParameters, franka_ros2.SET_PARAMETERS)
        self.cannot_switch = missing("controller_manager_msgs")
        """why controllers cannot be switched; empty: they can"""
        self.cannot_recover = missing("franka_msgs")
        """why the robot's own errors can neither be read nor cleared"""
        self._controllers: dict[str, str] = {}
        self._hardware: dict[str, str] = {}
        # Made now: an answer to the first call of a client that is not discovered yet may be lost.
        services: dict[str, str] = {}
        if not self.cannot_switch:
            listen_to(node, franka_ros2.ACTIVITY, self._on_activity)
            services[franka_ros2.SWITCH] = "controller_manager_msgs/srv/SwitchController"
            services[franka_ros2.SET_HARDWARE] = (
                "controller_manager_msgs/srv/SetHardwareComponentState"
            )
        if not self.cannot_recover:
            services[franka_ros2.SET_COLLISION] = "franka_msgs/srv/SetFullCollisionBehavior"
            services[franka_ros2.SET_LOAD] = "franka_msgs/srv/SetLoad"
            recovery = interface("franka_msgs/action/ErrorRecovery")
            self._recovery = ActionClient(node, recovery, franka_ros2.RECOVER)
        self._clients = {
            name: node.create_client(interface(kind), name) for name, kind in services.items()
        }

    @property
    def active(self) -> bool:
        """Whether the controller pulls the arm towards its target; where that is unknown, it is taken to."""
        if self.cannot_switch:
            return True
        return self._controllers.get(franka_ros2.CONTROLLER) == "active"

    async def refuses(self) -> str:
        """Why the robot would not follow now."""
        down = [f"{name} is {state}" for name, state in self._hardware.items() if state != "active"]
        if down:
            return f"the arm does not follow: {', '.join(down)}{REMEDY}"
        if not self.cannot_switch and franka_ros2.CONTROLLER not in self._controllers:
            return (
                f"franka_ros2 has no {franka_ros2.CONTROLLER}: start it with "
                "ros2 launch rldg_bringup franka_ros2.launch.py (docs/how-to/franka_ros2.md)"
            )
        if self.cannot_recover or self.active:
            return ""
        state = await self._robot_state()
        if state is None:
            return f"the robot's mode is not known: nothing comes at {franka_ros2.ROBOT_STATE.name}"
        mode, errors = franka_ros2.MODES[state.robot_mode], _raised(state.current_errors)
        return why_not(mode, errors) if errors or mode in arm_modes.MODES else ""

    async def set_up(self) -> str:
        """Tell controller and robot what the task and the set-up want of them."""
        return await self._set_gains() or await self._set_thresholds()

    async def _set_gains(self) -> str:
        request = SetParameters.Request()
        for name, value in self._gains.items():
            double = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
            request.parameters.append(Parameter(name=name, value=double))
        client = self._set_parameters
        answer = None
        if await met(self._node, client.service_is_ready):
            answer = await within(self._node, client.call_async(request), SOON)
        if answer is None:
            return (
                f"no {franka_ros2.CONTROLLER} answers: is it loaded (docs/how-to/franka_ros2.md)?"
            )
        refused = [result.reason for result in answer.results if not result.successful]
        return f"the controller refuses the task's compliance: {refused[0]}" if refused else ""

    async def _set_thresholds(self) -> str:
        """The robot takes them at rest alone."""
        if self.cannot_recover or self.active:
            return ""
        limits, load = self._site.collision, self._site.load
        joints = np.full(7, limits.joint_torque)
        cartesian = np.array([limits.force] * 3 + [limits.torque] * 3)
        thresholds = {
            f"{bound}_{kind}_thresholds_{phase}": joints if kind == "torque" else cartesian
            for bound in ("lower", "upper")
            for kind in ("torque", "force")
            for phase in ("acceleration", "nominal")
        }
        if wrong := await self._ask(franka_ros2.SET_COLLISION, **thresholds):
            return f"the arm does not take its thresholds: {wrong}"
        if load.mass <= 0.0:
            return ""
        wrong = await self._ask(
            franka_ros2.SET_LOAD,
            mass=load.mass,
            center_of_mass=np.array(load.com),
            load_inertia=np.diag(load.inertia).ravel(),
        )
        return f"the arm does not take its load: {wrong}" if wrong else ""

    async def switch(self, on: bool) -> str:
        """Begin or end the control of the arm."""
        if self.cannot_switch or on is self.active:
            return ""
        wrong = await self._switch([franka_ros2.CONTROLLER], on)
        return f"the controller was not switched {'on' if on else 'off'}: {wrong}" if wrong else ""

    async def recover(self) -> str:
        """Clear the robot's errors, then bring back what ended with them, as franka_hardware's documentation says."""
        if why := self.cannot_recover or self.cannot_switch:
            return why
        if wrong := await self._clear():
            return wrong
        active = State(label="active")
        for name in [name for name, state in self._hardware.items() if state != "active"]:
            wrong = await self._ask(franka_ros2.SET_HARDWARE, name=name, target_state=active)
            if wrong:
                return f"{name} is not activated: {wrong}. Start franka_ros2 anew"
        return await self._switch(list(franka_ros2.BROADCASTERS), True)

    async def _clear(self) -> str:
        recovery = self._recovery
        goal = interface("franka_msgs/action/ErrorRecovery").Goal()
        handle = None
        if await met(self._node, recovery.server_is_ready):
            handle = await within(self._node, recovery.send_goal_async(goal), SOON)
        if handle is None:
            return f"no node answers at {franka_ros2.RECOVER}"
        result = await within(self._node, handle.get_result_async(), LATER)
        if result is None or result.status != GoalStatus.STATUS_SUCCEEDED:
            return "the robot keeps its error: see to it in Desk"
        return ""

    async def _switch(self, names: list[str], on: bool) -> str:
        kind = interface("controller_manager_msgs/srv/SwitchController").Request
        request = {"activate_controllers" if on else "deactivate_controllers": names}
        wrong = await self._ask(franka_ros2.SWITCH, strictness=kind.BEST_EFFORT, **request)
        if not wrong:
            self._controllers |= dict.fromkeys(names, "active" if on else "inactive")
        return wrong

    async def _ask(self, service: str, **fields: Any) -> str:
        """Call a service that answers `success` and `error`, or `ok` and mostly `message`."""
        client, answer = self._clients[service], None
        if await met(self._node, client.service_is_ready):
            request = client.srv_type.Request(**fields)
            answer = await within(self._node, client.call_async(request), LATER)
        if answer is None:
            return f"no node answers at {service}"
        if getattr(answer, "success", False) or getattr(answer, "ok", False):
            return ""
        return getattr(answer, "error", "") or getattr(answer, "message", "") or "it refuses"

    async def _robot_state(self) -> Any:
        """One FrankaRobotState; a subscription that stays would hear a thousand a second."""
        first = Future()
        profile = qos(franka_ros2.ROBOT_STATE)
        kind = interface(franka_ros2.ROBOT_STATE.type)
        listener = self._node.create_subscription(
            kind, franka_ros2.ROBOT_STATE.name, first.set_result, profile
        )
        try:
            return await within(self._node, first, SOON)
        finally:
            self._node.destroy_subscription(listener)

    def _on_activity(self, message: Any) -> None:
        self._controllers = {each.name: each.state.label for each in message.controllers}
        self._hardware = {each.name: each.state.label for each in message.hardware_components}


def _raised(errors: Any) -> list[str]:
    return [name for name in errors.get_fields_and_field_types() if getattr(errors, name)]
