# SPDX-License-Identifier: Apache-2.0
"""Drive the arm from a terminal: keys in the place of a SpaceMouse, and answers to what the actor asks."""

from __future__ import annotations

import time

import rclpy
from rclpy.node import Node

from rldg_robot.asked import Asked
from rldg_robot.devices.hand_device_node import PERIOD, PushPublisher
from rldg_robot.devices.typed_push import FASTER, HELP, SLOWER, TypedPush
from rldg_robot.node_main import run_main
from rldg_robot.terminal import keys_typed, say, single_keys

COMMAND = "./rldg run rldg_robot keyboard_teleop"
ANSWERS = {"y": True, "n": False}


class KeyboardTeleopNode(Node):
    """Tells of the keys as of a push."""

    def __init__(self) -> None:
        super().__init__("keyboard_teleop")
        self._pushes = PushPublisher(self)
        self._typed = TypedPush()
        self._asked = Asked(self, ANSWERS, "[y/n]")

    def take(self, keys: str) -> None:
        """Keys came, or none: tell what holds now."""
        now = time.monotonic()
        for key in keys:
            if not self._typed.press(key, now):
                self._asked.press(key)
            elif key in (FASTER, SLOWER):
                say(f"speed {self._typed.speed:.0%}")
        self._pushes.publish(self._typed.push(now))


def main() -> None:
    """Entry point."""

    def live() -> None:
        with single_keys(COMMAND):
            node = KeyboardTeleopNode()
            say(HELP)
            published = 0.0
            while rclpy.ok():
                rclpy.spin_once(node, timeout_sec=max(0.0, published + PERIOD - time.monotonic()))
                if time.monotonic() - published >= PERIOD:
                    published = time.monotonic()
                    node.take(keys_typed())

    run_main(live)
