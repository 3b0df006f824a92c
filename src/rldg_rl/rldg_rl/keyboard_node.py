# SPDX-License-Identifier: Apache-2.0
"""The person at the keyboard, in a terminal of their own: shows what the actor asks, and answers with single keys.

A node that was launched with others has no terminal to read from, so this one is started by hand.
"""

from __future__ import annotations

import rclpy
from rclpy.node import Node

from rldg_robot.asked import Asked
from rldg_robot.node_main import run_main
from rldg_robot.terminal import keys_typed, say, single_keys

COMMAND = "./rldg run rldg_rl keyboard"
ANSWERS = {"y": True, "s": True, "n": False, "f": False}
SPIN_SECONDS = 0.02
KEYS = "keys: y or s yes, it is done; n or f no, or it failed; Ctrl-C ends"


def main() -> None:
    """Entry point."""

    def live() -> None:
        with single_keys(COMMAND):
            node = Node("keyboard")
            asked = Asked(node, ANSWERS, "[s/f]")
            say(KEYS)
            while rclpy.ok():
                rclpy.spin_once(node, timeout_sec=SPIN_SECONDS)
                for key in keys_typed():
                    asked.press(key)

    run_main(live)
