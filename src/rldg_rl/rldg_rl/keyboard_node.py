# SPDX-License-Identifier: Apache-2.0
"""The person at the keyboard, in a terminal of their own: shows what the actor asks, and answers with single keys.

A node that was launched with others has no terminal to read from, so this one is started by hand.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.node import Node

from rldg_msgs.msg import Answer, Question
from rldg_robot import contract
from rldg_robot.node_main import run_main
from rldg_robot.ros import listen_to, publish_on
from rldg_robot.user_error import UserError

ANSWERS = {"y": True, "s": True, "n": False, "f": False}
SPIN_SECONDS = 0.02
KEYS = "keys: y or s yes, it is done; n or f no, or it failed; Ctrl-C ends"
BELL = "\a"


class KeyboardNode(Node):
    """Shows questions, publishes answers."""

    def __init__(self) -> None:
        super().__init__("keyboard")
        self._asked = Question()
        self._answer = publish_on(self, contract.ANSWER)
        listen_to(self, contract.QUESTION, self._on_question)

    def press(self, key: str) -> None:
        """Answer what is asked with one of ANSWERS; other keys mean nothing."""
        if key not in ANSWERS:
            return
        if not self._asked.text:
            say("nothing is asked at the moment")
            return
        yes = ANSWERS[key]
        self._answer.publish(Answer(header=self._asked.header, yes=yes))
        say("  yes" if yes else "  no")

    def _on_question(self, message: Question) -> None:
        self._asked = message
        if message.text:
            say(f"{message.text} {f'[y/n]{BELL}' if message.waits else '[s/f]'}")


def say(text: str) -> None:
    """A line to the person."""
    print(text, flush=True)


@contextmanager
def single_keys() -> Iterator[None]:
    """The terminal hands over every key at once and does not show it.

    Raises:
        UserError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UserError(
            "keyboard reads single keys: start it in a terminal of its own, ./rldg run rldg_rl keyboard"
        )
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def main() -> None:
    """Entry point."""

    def live() -> None:
        with single_keys():
            node = KeyboardNode()
            say(KEYS)
            while rclpy.ok():
                rclpy.spin_once(node, timeout_sec=SPIN_SECONDS)
                if select.select([sys.stdin], [], [], 0.0)[0]:
                    node.press(os.read(sys.stdin.fileno(), 1).decode(errors="ignore").lower())

    run_main(live)
