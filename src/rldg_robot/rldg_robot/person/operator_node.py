# SPDX-License-Identifier: Apache-2.0
"""The operator as a node: publishes what a SpaceMouse would, answers what the actor asks, and resets the gate after it
stopped for a wrench.
"""

from __future__ import annotations

import math
import time

import numpy as np
from geometry_msgs.msg import PoseStamped, Twist
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_msgs.msg import Answer, Episode, Question, SafetyState, TaskState
from rldg_robot.node_main import run_node
from rldg_robot.person.eye import Sight
from rldg_robot.person.scripted_operator import DONE, ScriptedOperator, load_person
from rldg_robot.ros import listen_to, publish_on, to_stamp

AGAIN_SECONDS = 0.5  # [s] of wall time until an answer that was not received is given again


class OperatorNode(Node):
    """Sees every state, pushes the SpaceMouse once per control step."""

    def __init__(self) -> None:
        super().__init__("operator")
        task = load_task(self.declare_parameter("task", "connector/vga").value)
        seed = int(self.declare_parameter("seed", 0).value)
        person = load_person(self.declare_parameter("person", "default").value)
        self.operator = ScriptedOperator(task, seed, person)
        self._period = task.period
        self._pose: tuple[int, Pose] | None = None
        self._task_state: tuple[int, Pose, float, float] | None = None
        self._pushed = 0
        self._in_episode = False
        self._asked = Question()
        self._answered = -math.inf

        self._twist = publish_on(self, contract.SPACENAV_TWIST)
        self._joy = publish_on(self, contract.SPACENAV_JOY)
        self._answer = publish_on(self, contract.ANSWER)
        self._reset_gate = self.create_client(Trigger, contract.SAFETY_RESET)
        listen_to(self, contract.CURRENT_POSE, self._on_pose)
        listen_to(self, contract.TASK_STATE, self._on_task_state)
        listen_to(self, contract.EPISODE, self._on_episode)
        listen_to(self, contract.SAFETY_STATE, self._on_safety)
        listen_to(self, contract.QUESTION, self._on_question)

    def _on_pose(self, message: PoseStamped) -> None:
        self._pose = (nanoseconds(message.header.stamp), pose_of(message.pose))
        self._act()

    def _on_task_state(self, message: TaskState) -> None:
        stamp = nanoseconds(message.header.stamp)
        self._task_state = (
            stamp,
            pose_of(message.offset),
            message.gripper,
            message.progress,
        )
        self._act()

    def _on_episode(self, message: Episode) -> None:
        self._in_episode = message.status == Episode.OPEN
        if self._in_episode:
            self.operator.task = load_task(f"{message.task}/{message.variant}")
            self.operator.begin(message.source)
            self._pushed = 0
            self._act()

    def _on_question(self, message: Question) -> None:
        self._asked, self._answered = message, -math.inf
        self._act()

    def _act(self) -> None:
        """Push and answer once both halves of a moment are there."""
        if not self._in_episode or self._pose is None or self._task_state is None:
            return
        if self._pose[0] == self._task_state[0]:
            sight = Sight(self._pose[0], self._pose[1], *self._task_state[1:])
            self._push(sight)
            self._reply(sight)

    def _push(self, sight: Sight) -> None:
        """At the control rate at most."""
        if abs(sight.stamp - self._pushed) < 0.9e9 * self._period:
            return
        self._pushed = sight.stamp
        self._publish(sight.stamp, self.operator.deflection(sight))

    def _reply(self, sight: Sight) -> None:
        """Answer what is asked: a question that waits as it is, an open one as soon as it is seen to be done."""
        asked = self._asked
        if not asked.text or sight.stamp < nanoseconds(asked.header.stamp):
            return
        yes = self.operator.answer(sight) if asked.waits else self.operator.buttons == DONE
        if (yes or asked.waits) and time.monotonic() - self._answered > AGAIN_SECONDS:
            self._answered = time.monotonic()
            self._answer.publish(Answer(header=asked.header, yes=yes))

    def _publish(self, stamp: int, deflection: np.ndarray) -> None:
        twist = Twist()
        linear, angular = twist.linear, twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = deflection.tolist()
        self._twist.publish(twist)
        joy = Joy(axes=deflection.tolist(), buttons=list(self.operator.buttons))
        joy.header.stamp = to_stamp(stamp)
        self._joy.publish(joy)

    def _on_safety(self, message: SafetyState) -> None:
        # Too much force is the operator's to judge; an emergency stop is released by whoever pressed it.
        for_wrench = message.reason_code == SafetyState.REASON_WRENCH
        if message.state == SafetyState.STOPPED and for_wrench:
            self.get_logger().warning(f"the gate stopped ({message.reason}); resetting it")
            self._reset_gate.call_async(Trigger.Request())


def main() -> None:
    """Entry point."""
    run_node(OperatorNode)
