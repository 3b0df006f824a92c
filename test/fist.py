# SPDX-License-Identifier: Apache-2.0
"""A blow against the arm, as the gate feels it: it stops the arm for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from geometry_msgs.msg import WrenchStamped
from harness import PATIENCE
from rclpy.node import Node

from rldg_core import contract
from rldg_msgs.msg import Episode, SafetyState
from rldg_robot.ros import listen_to, publish_on

BLOW = 100.0
"""[N]"""


class Fist(Node):
    """Strikes during episodes."""

    def __init__(self) -> None:
        super().__init__("fist")
        self._strike = publish_on(self, contract.EXTERNAL_WRENCH)
        self._episodes: list[Episode] = []
        self._felt: list[WrenchStamped] = []
        self._gate: list[SafetyState] = []
        listen_to(self, contract.EPISODE, self._episodes.append)
        listen_to(self, contract.SAFETY_STATE, self._gate.append)
        listen_to(self, contract.EXTERNAL_WRENCH, self._felt.append)

    def strike(self) -> None:
        """Until an episode failed of it. The gate's own word is not enough: a blow between two episodes fails none."""
        end = time.monotonic() + PATIENCE
        while not any(e.status == Episode.FAILURE and "wrench" in e.reason for e in self._episodes):
            assert time.monotonic() < end, "no episode was stopped"
            rclpy.spin_once(self, timeout_sec=0.05)
            if self._episodes and self._felt and self._felt[-1].wrench.force.x < BLOW:
                blow = WrenchStamped(header=self._felt[-1].header)
                blow.wrench.force.x = BLOW
                self._strike.publish(blow)

    def stop_the_gate(self) -> None:
        """Until it says that it stopped, whether or not anything moves."""
        end = time.monotonic() + PATIENCE
        blow = WrenchStamped()
        blow.wrench.force.x = BLOW
        while not (self._gate and self._gate[-1].state == SafetyState.STOPPED):
            assert time.monotonic() < end, "the gate did not stop"
            rclpy.spin_once(self, timeout_sec=0.05)
            self._strike.publish(blow)


@contextmanager
def a_fist() -> Iterator[Fist]:
    """To be there before the others, who may be done before they would have found it."""
    rclpy.init()
    fist = Fist()
    try:
        yield fist
    finally:
        fist.destroy_node()
        rclpy.shutdown()
