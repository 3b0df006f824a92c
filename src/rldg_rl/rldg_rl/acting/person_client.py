# SPDX-License-Identifier: Apache-2.0
"""The person who watches, as the actor asks them: at `./rldg run rldg_rl keyboard`, or played by the operator."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from rldg_core import contract
from rldg_core.message_values import nanoseconds
from rldg_msgs.msg import Answer, Question
from rldg_rl.acting.actor import EpisodeAborted
from rldg_rl.robot.observation import Observation
from rldg_robot.ros import listen_to, publish_on
from rldg_robot.ros_values import to_stamp

WHOM = "the person at ./rldg run rldg_rl keyboard"


class PersonClient:
    """Implements `asking_judges.Watcher` over `person/question` and `person/answer`."""

    def __init__(self, node: Node, wait: Callable[[Callable[[], bool], str], None]) -> None:
        """Ask nothing yet.

        Args:
            node: whose topics are used.
            wait: spins until a condition holds, and says for whom.
        """
        self._node = node
        self._wait = wait
        self._asked = 0
        self._said: bool | None = None
        self._question = publish_on(node, contract.QUESTION)
        self._answers = listen_to(node, contract.ANSWER, self._on_answer)
        self.dismiss()

    def await_somebody(self) -> None:
        """Wait until there is somebody to ask."""
        self._wait(self._is_there, WHOM)

    def _is_there(self) -> bool:
        """Whether somebody who answers has found the questions, too."""
        hear = self._node.get_subscriptions_info_by_topic(self._question.topic_name)
        answer = self._node.get_publishers_info_by_topic(self._answers.topic_name)
        return bool({who.node_name for who in hear} & {who.node_name for who in answer})

    @property
    def said(self) -> bool | None:
        """See `asking_judges.Watcher`."""
        return self._said

    def invite(self, question: str, seen: Observation) -> None:
        """See `asking_judges.Watcher`."""
        self._ask(question, seen.state_stamp, waits=False)

    def answer(self, question: str, seen: Observation) -> bool:
        """See `asking_judges.Watcher`.

        Raises:
            EpisodeAborted: the stack was stopped in the meantime.
        """
        self._ask(question, seen.state_stamp, waits=True)
        self._wait(lambda: self._said is not None, WHOM)
        if self._said is None:
            raise EpisodeAborted("no answer came before the stack was stopped")
        return self._said

    def dismiss(self) -> None:
        """See `asking_judges.Watcher`."""
        self._ask("", 0, waits=False)

    def _ask(self, text: str, stamp: int, waits: bool) -> None:
        self._asked, self._said = stamp, None
        question = Question(text=text, waits=waits)
        question.header.stamp = to_stamp(stamp)
        self._question.publish(question)

    def _on_answer(self, message: Answer) -> None:
        if self._asked and nanoseconds(message.header.stamp) == self._asked:
            self._said = bool(message.yes)
