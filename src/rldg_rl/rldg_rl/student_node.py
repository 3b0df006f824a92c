# SPDX-License-Identifier: Apache-2.0
"""A student as a node of its own, for an actor on another machine: what was seen comes in, actions go out.

It moves nothing: what becomes of its actions the actor decides, and the gate beside the arm.
"""

from __future__ import annotations

import array
from pathlib import Path

from rclpy.node import Node

from rldg_core import contract
from rldg_msgs.srv import NextActions
from rldg_rl.policies.far_student import card_fingerprint, sight_of
from rldg_rl.policies.student_policy import loaded_student
from rldg_robot.node_main import run_node


class StudentNode(Node):
    """Answers one question after the other."""

    def __init__(self) -> None:
        super().__init__("student")
        folder = Path(self.declare_parameter("policy", "").value)
        self._model = loaded_student(folder)
        self._card = card_fingerprint(folder)
        self.create_service(NextActions, contract.NEXT_ACTIONS, self._on_question)
        self.get_logger().info(f"{folder} on {self._model.device} waits for the actor's questions")

    def _on_question(
        self, request: NextActions.Request, response: NextActions.Response
    ) -> NextActions.Response:
        self.get_logger().info("the actor asks", once=True)
        if request.card != self._card:
            response.error = (
                "another one than the robot PC knows: copy its run there again, its weights may be left out "
                "(docs/how-to/two-machines.md)"
            )
            return response
        try:
            actions = self._model.act(sight_of(request), request.instruction)
        except ValueError as error:
            response.error = str(error)
            return response
        response.actions = array.array("f", actions.tobytes())
        return response


def main() -> None:
    """Entry point."""
    run_node(StudentNode)
