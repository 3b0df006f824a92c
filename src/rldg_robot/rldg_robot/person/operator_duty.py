# SPDX-License-Identifier: Apache-2.0
"""The operator at work: sees every state, pushes the SpaceMouse once per control step, answers what is asked.

It hears messages and publishes some, whichever way they come and go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, Twist
from sensor_msgs.msg import Joy

from rldg_core import contract
from rldg_core.contract import Topic
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_msgs.msg import Answer, Episode, Question, TaskState
from rldg_robot.person.eye import Sight
from rldg_robot.person.scripted_operator import DONE, ScriptedOperator
from rldg_robot.ros_values import to_stamp

AGAIN_SECONDS = 0.5  # [s] of wall time until an answer that nobody heard is given again


class OperatorDuty:
    """What a scripted operator does about every message."""

    def __init__(self, operator: ScriptedOperator, publish: Callable[[Topic, Any], None]) -> None:
        """Between episodes, with hands off.

        Args:
            operator: who acts.
            publish: sends a message on a topic.
        """
        self._operator = operator
        self._send = publish
        self._pose: tuple[int, Pose] | None = None
        self._task_state: tuple[int, Pose, float, float] | None = None
        self._pushed = 0
        self._in_episode = False
        self._asked = Question()
        self._answered = -math.inf

    @property
    def hears(self) -> dict[Topic, Callable[[Any], None]]:
        """What it has to be handed, and what takes the messages."""
        return {
            contract.CURRENT_POSE: self._on_pose,
            contract.TASK_STATE: self._on_task_state,
            contract.EPISODE: self._on_episode,
            contract.QUESTION: self._on_question,
        }

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
            self._operator.task = load_task(f"{message.task}/{message.variant}")
            self._operator.begin(message.source)
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
        if abs(sight.stamp - self._pushed) < 0.9e9 * self._operator.task.period:
            return
        self._pushed = sight.stamp
        self._publish(sight.stamp, self._operator.deflection(sight))

    def _reply(self, sight: Sight) -> None:
        """Answer what is asked: a question that waits as it is, an open one as soon as it is seen to be done."""
        asked = self._asked
        if not asked.text or sight.stamp < nanoseconds(asked.header.stamp):
            return
        yes = self._operator.answer(sight) if asked.waits else self._operator.buttons == DONE
        if (yes or asked.waits) and time.monotonic() - self._answered > AGAIN_SECONDS:
            self._answered = time.monotonic()
            self._send(contract.ANSWER, Answer(header=asked.header, yes=yes))

    def _publish(self, stamp: int, deflection: np.ndarray) -> None:
        twist = Twist()
        linear, angular = twist.linear, twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = deflection.tolist()
        self._send(contract.SPACENAV_TWIST, twist)
        joy = Joy(axes=deflection.tolist(), buttons=list(self._operator.buttons))
        joy.header.stamp = to_stamp(stamp)
        self._send(contract.SPACENAV_JOY, joy)
