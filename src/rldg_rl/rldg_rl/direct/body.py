# SPDX-License-Identifier: Apache-2.0
"""Twins and their gates as the robot of a run in this process: what nodes would publish of them is published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.gripper_command import LEAVE
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_msgs.msg import GripperCommand, SafetyState
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation
from rldg_rl.robot.robot import RobotSilent, gripper_command
from rldg_robot.arm.body import body_messages, camera_messages
from rldg_robot.gate_message import safety_state
from rldg_robot.ros_values import to_pose_stamped, to_stamp
from rldg_robot.safety import Decision, Grip
from rldg_robot.simulation.twin_moment import moment_of


class PublishingRobot(DirectRobot):
    """A robot that publishes what it measures, what it is asked for, and what its gate makes of that."""

    def __init__(self, task: Task, channel: LocalChannel, randomize: bool) -> None:
        super().__init__(task, randomize=randomize)
        self._channel = channel
        self._said: tuple[Any, ...] = ()
        # Bags then carry true dates. Rounded so that stamps stay exact multiples of the control period.
        self._stamp = max(time.time_ns(), channel.time) // self._period * self._period

    def reset(self, seed: int, task: str, stay: bool = False) -> Observation:
        """See `environment.Robot`; time goes on where another robot of the channel left it."""
        self._stamp = max(self._stamp, self._channel.time // self._period * self._period)
        return super().reset(seed, task, stay)

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        """See `environment.Robot`."""
        message = to_pose_stamped(target, stamp, BASE_FRAME)
        self._channel.publish(contract.POLICY_TARGET_POSE, message)
        super().act(target, gripper, stamp)

    def publish_safety(self) -> None:
        """The gate's state, where it changed."""
        state = self.gate.state, self.gate.reason, self.gate.task.id
        if state != self._said:
            self._said = state
            message = safety_state(self.gate, self._stamp)
            self._channel.publish(contract.SAFETY_STATE, message)

    def _command_gripper(self, command: float) -> None:
        if command not in (LEAVE, self._last_gripper):
            grip = Grip(*gripper_command(command))
            self._channel.publish(contract.POLICY_GRIPPER, self._gripper_message(grip))
        super()._command_gripper(command)

    def _move_gripper(self, grip: Grip) -> None:
        self._channel.publish(contract.GRIPPER_COMMAND, self._gripper_message(grip))
        super()._move_gripper(grip)

    def _gripper_message(self, grip: Grip) -> GripperCommand:
        message = GripperCommand(width=grip.width, speed=grip.speed, force=grip.force)
        message.header.stamp = to_stamp(self._stamp)
        return message

    def _move(self, decision: Decision) -> None:
        message = to_pose_stamped(decision.target, self._stamp, BASE_FRAME)
        self._channel.publish(contract.TARGET_POSE, message)
        self.publish_safety()
        super()._move(decision)

    def _advance(self) -> Observation:
        seen = super()._advance()
        self._channel.time = self._stamp
        stamp = to_stamp(self._stamp)
        body, task_state = moment_of(self.twin)
        for topic, message in (
            *body_messages(body, task_state, stamp),
            *camera_messages(seen.image, self.twin.camera_matrix, stamp),
        ):
            self._channel.publish(topic, message)
        self.publish_safety()
        return seen


class DirectBody:
    """Implements `run_parts.WaitingRobot` and `run_parts.GateSwitch`: one robot for each task, made when it is due."""

    def __init__(
        self, tasks: Mapping[str, Task], channel: LocalChannel, randomize: bool = False
    ) -> None:
        """Build the twin of the first task.

        Args:
            tasks: by name.
            channel: that is published on.
            randomize: draw looks with every reset; see `DirectRobot`.
        """
        self._tasks = tasks
        self._channel = channel
        self._randomize = randomize
        self._made: dict[str, PublishingRobot] = {}
        self.safety = SafetyState()
        """what the gate said last"""
        self.while_waiting: Callable[[], None] = lambda: None
        """what others do while the run waits"""
        self.before_acting: Callable[[], None] = lambda: None
        """called before every step; may raise"""
        channel.listen(contract.SAFETY_STATE, self._keep_safety)
        self._robot = self._robot_of(next(iter(tasks)))

    def _keep_safety(self, message: SafetyState) -> None:
        self.safety = message

    def _robot_of(self, task: str) -> PublishingRobot:
        if task not in self._made:
            self._made[task] = PublishingRobot(self._tasks[task], self._channel, self._randomize)
        return self._made[task]

    @property
    def stopped(self) -> Reason | None:
        """See `environment.Robot`."""
        return self._robot.stopped

    @property
    def held(self) -> str:
        """See `environment.Robot`."""
        return self._robot.held

    @property
    def hears_gate(self) -> bool:
        """See `run_parts.WaitingRobot`."""
        return True

    def reset(self, seed: int, task: str, stay: bool = False) -> Observation:
        """See `environment.Robot`."""
        self._robot = self._robot_of(task)
        return self._robot.reset(seed, task, stay)

    def measure(self) -> Observation:
        """See `environment.Robot`."""
        return self._robot.measure()

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        """See `environment.Robot`."""
        self.before_acting()
        self._robot.act(target, gripper, stamp)

    def observe(self, after: int) -> Observation:
        """See `environment.Robot`."""
        return self._robot.observe(after)

    def spin(self, seconds: float) -> None:
        """See `run_parts.WaitingRobot`: nothing arrives here, so that no time passes; others work meanwhile.

        Whoever stands by a training releases a stop for a wrench, as the scripted operator does.
        """
        if (stop := self.stopped) and stop.code is ReasonCode.WRENCH:
            self.release()
        self.while_waiting()

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """See `run_parts.WaitingRobot`.

        Raises:
            RobotSilent: it does not hold.
        """
        if not condition():
            raise RobotSilent(f"waited for {what} in vain")

    def stand_still(self, task: str) -> None:
        """One step: the first bag then begins with messages of all topics, as behind nodes (see `closed_loop`)."""
        seen = self.reset(0, task)
        self.act(seen.pose, LEAVE, seen.state_stamp)

    def release(self) -> None:
        """See `run_parts.GateSwitch`."""
        self._robot.gate.reset()
        self._robot.publish_safety()

    def stop(self) -> None:
        """See `run_parts.GateSwitch`."""
        self._robot.gate.stop(Reason(ReasonCode.EMERGENCY_STOP, "emergency stop"))
        self._robot.publish_safety()

    def close(self) -> None:
        """Free the renderers."""
        for robot in self._made.values():
            robot.close()
