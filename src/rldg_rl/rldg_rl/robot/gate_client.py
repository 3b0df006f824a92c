# SPDX-License-Identifier: Apache-2.0
"""The safety gate's stop and release, as the actor asks for them."""

from __future__ import annotations

import rclpy
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_msgs.msg import SafetyState
from rldg_rl.robot.robot_client import RobotClient
from rldg_robot.ros import publish_on

ANSWER_SECONDS = 5.0
PERIOD = 1.0


class GateClient:
    """Of the gate that stands before `robot`."""

    def __init__(self, node: Node, robot: RobotClient) -> None:
        self._robot = robot
        self._release = node.create_client(Trigger, contract.SAFETY_RESET)
        self._emergency_stop = publish_on(node, contract.EMERGENCY_STOP)

    def release(self) -> None:
        """After a stop, where no person has to look at the arm first.

        Raises:
            RobotSilent: the gate does not answer.
        """
        answer = self._release.call_async(Trigger.Request())
        self._robot.wait_for(answer.done, "the safety gate's release", ANSWER_SECONDS)
        released = answer.result().success
        wanted = {SafetyState.HOLD} if released else {SafetyState.HOLD, SafetyState.PASS}
        self._robot.wait_for(
            lambda: self._robot.safety.state in wanted, "the safety gate's state", ANSWER_SECONDS
        )

    def stop(self) -> None:
        """Until it stays so: the scripted operator may be about to release a stop for a wrench."""
        while rclpy.ok():
            self._emergency_stop.publish(Empty())
            self._robot.spin(PERIOD)
            if self._robot.stopped:
                return
