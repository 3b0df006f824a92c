# SPDX-License-Identifier: Apache-2.0
"""What the actor asks, shown to the person at a terminal and answered with a key."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.node import Node

from rldg_core import contract
from rldg_msgs.msg import Answer, Question
from rldg_robot.ros import listen_to, publish_on
from rldg_robot.terminal import say

BELL = "\a"


class Asked:
    """Shows questions, publishes answers."""

    def __init__(self, node: Node, answers: Mapping[str, bool], open_keys: str) -> None:
        """Listen to questions.

        Args:
            node: whose topics are used.
            answers: keys that mean yes or no.
            open_keys: the two of them that are shown where no one waits for the answer.
        """
        self._answers = answers
        self._open_keys = open_keys
        self._asked = Question()
        self._answer = publish_on(node, contract.ANSWER)
        listen_to(node, contract.QUESTION, self._on_question)

    def press(self, key: str) -> None:
        """Answer what is asked; other keys mean nothing."""
        if key not in self._answers:
            return
        if not self._asked.text:
            say("nothing is asked at the moment")
            return
        yes = self._answers[key]
        self._answer.publish(Answer(header=self._asked.header, yes=yes))
        say("  yes" if yes else "  no")

    def _on_question(self, message: Question) -> None:
        self._asked = message
        if message.text:
            say(f"{message.text} {f'[y/n]{BELL}' if message.waits else self._open_keys}")
