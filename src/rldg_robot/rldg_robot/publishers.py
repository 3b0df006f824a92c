# SPDX-License-Identifier: Apache-2.0
"""Who publishes a topic: what moves the arm is to come from the gate alone, and ROS lets anybody publish anything."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from rldg_core import contract
from rldg_core.contract import Topic
from rldg_robot.alone import UNKNOWN, others_on
from rldg_robot.ros import listen_to

DRIVEN = (contract.TARGET_POSE, contract.GRIPPER_COMMAND)
"""what a driver follows"""
LOOK_PERIOD = 1.0  # [s]
WARY_SECONDS = 1.0
"""after somebody came beside the gate, even if they left at once: what they said may still wait to be heard"""
CAME = (
    "another node joined the gate: target_pose or gripper/command had two publishers for a moment"
)
NO_NODE = "one that gives no name"
LONGEST = 80  # letters of a name that somebody gave themselves


class Rivals:
    """Who publishes to the driver beside the gate; for the gate and for every driver, each by itself."""

    def __init__(self, node: Node) -> None:
        """Look once a second, and whenever `heard` is asked."""
        self.who = ""
        """as `crowd` says"""
        self._node = node
        self._matched: dict[Topic, int] = {}
        self._wary_until = 0.0
        node.create_timer(LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def heard(self) -> str:
        """The same, as of now: to be asked for every message."""
        if time.monotonic() < self._wary_until:
            return self.who or CAME
        if not self.who and any(count_publishers(self._node, topic) > 1 for topic in DRIVEN):
            self._look()
        return self.who

    def listen_to(
        self, topic: Topic, callback: Callable[[Any], None], *, checked: bool = True
    ) -> None:
        """A driver's subscription: who comes is noticed before they are heard, however soon they leave again."""

        def on_match(info: Any) -> None:
            before = self._matched.get(topic, 0)
            self._matched[topic] = info.current_count
            if info.total_count_change > 0 and before + info.total_count_change > 1:
                self._wary_until = time.monotonic() + WARY_SECONDS
                self.who = self.who or CAME
                self._node.get_logger().error(f"no target is followed: {CAME}")

        listen_to(self._node, topic, callback, checked=checked, on_match=on_match)

    def _look(self) -> None:
        if time.monotonic() < self._wary_until:
            return
        before, found = self.who, crowd(self._node, DRIVEN)
        fix = "stop it, or wait 20 s where it was killed"
        self.who = f"{found}: {fix}" if found else ""
        if self.who and self.who != before:
            self._node.get_logger().error(f"no target is followed: {self.who}")


def crowd(node: Node, topics: tuple[Topic, ...]) -> str:
    """Which of some topics have more than one publisher, and whose they are; empty: none.

    A publisher that was killed counts until the network has forgotten it, at most 20 s later.
    """
    return "; ".join(filter(None, (_crowd(node, topic) for topic in topics)))


def count_publishers(node: Node, topic: Topic) -> int:
    """Publishers of a topic under the name that it has here, remapped and all; takes microseconds."""
    return int(node.count_publishers(node.resolve_topic_name(topic.name)))


def _crowd(node: Node, topic: Topic) -> str:
    if (number := count_publishers(node, topic)) < 2:
        return ""
    others = others_on(node, topic.name)
    names = ", ".join(map(_name, others))
    own = len(others) < number
    return f"{topic.name} has {number} publishers, {'also' if own else 'namely'} {names}"


def _name(name: str) -> str:
    return NO_NODE if name == UNKNOWN else re.sub(r"\W", "?", name, flags=re.ASCII)[:LONGEST]
