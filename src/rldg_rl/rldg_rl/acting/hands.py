# SPDX-License-Identifier: Apache-2.0
"""The SpaceMouse as the actor reads it: a real one, what publishes the same, or the operator who plays one."""

from __future__ import annotations

import time

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Joy

from rldg_core import contract
from rldg_core.task import Task
from rldg_rl.acting.latched_hand import HANDS_OFF, LatchedHand
from rldg_rl.robot.observation import Observation
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.robot.robot_client import RobotClient
from rldg_robot.ros import listen_to

SILENCE = 0.25  # [s] of wall time after which a real device's last word no longer counts


class SpaceMouseHands:
    """Latest deflection of the SpaceMouse, latched; a button counts once, however shortly it was pressed."""

    def __init__(self, node: Node, robot: RobotClient, operator: str) -> None:
        """Listen to `spacenav/joy`.

        Args:
            node: whose topics are used.
            robot: spun while waiting.
            operator: `scripted`: its deflection for this very step is waited for, so that lockstep stays reproducible;
                otherwise a person's: the latest one counts.
        """
        self._node = node
        self._robot = robot
        self._operator = operator
        self._hand = LatchedHand()
        self._heard = 0.0
        listen_to(node, contract.SPACENAV_JOY, self._keep)

    @property
    def are_there(self) -> bool:
        """Whether somebody tells of a hand, pushing or not."""
        return self._node.count_publishers(contract.SPACENAV_JOY.name) > 0

    def begin(self, task: Task, seed: int) -> None:
        """A new episode: what was pushed before does not count. Waits for an operator who is still on the way.

        Raises:
            RobotSilent: no node publishes `spacenav/joy`.
        """
        self._robot.wait_for(
            lambda: self.are_there, f"the operator on {contract.SPACENAV_JOY.name}", 20.0
        )
        self._hand.forget()

    def deflection(self, seen: Observation) -> np.ndarray:
        """(7,) in [-1, 1] at this control step: linear, angular in base axes, then the buttons; see `LatchedHand`."""
        return self._hand.take() if self._heard_at(seen) else HANDS_OFF

    def declares_done(self, seen: Observation) -> bool:
        """Whether both buttons are held: the person says that the task is done."""
        return self._heard_at(seen) and self._hand.both

    def _heard_at(self, seen: Observation) -> bool:
        """Whether there is a hand at this moment. One that was unplugged while it was pushed counts no more."""
        if self._operator != "scripted":
            return time.monotonic() - self._heard <= SILENCE
        try:
            self._robot.wait_for(lambda: self._hand.stamp >= seen.state_stamp, "the operator", 2.0)
        except RobotSilent as error:
            self._node.get_logger().warning(f"{error} Continuing without the operator.")
            return False
        return True

    def _keep(self, message: Joy) -> None:
        self._hand.keep(message)
        self._heard = time.monotonic()
