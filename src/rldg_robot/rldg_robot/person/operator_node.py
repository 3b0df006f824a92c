# SPDX-License-Identifier: Apache-2.0
"""The operator as a node: publishes what a SpaceMouse would, answers what the actor asks, and resets the gate after it
stopped for a wrench.
"""

from __future__ import annotations

from rclpy.node import Node
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.task import load_task
from rldg_msgs.msg import SafetyState
from rldg_robot.node_main import run_node
from rldg_robot.person.operator_duty import OperatorDuty
from rldg_robot.person.scripted_operator import ScriptedOperator, load_person
from rldg_robot.ros import listen_to, publish_on


class OperatorNode(Node):
    """Sees every state, pushes the SpaceMouse once per control step."""

    def __init__(self) -> None:
        super().__init__("operator")
        task = load_task(self.declare_parameter("task", "connector/vga").value)
        seed = int(self.declare_parameter("seed", 0).value)
        person = load_person(self.declare_parameter("person", "default").value)
        topics = (contract.SPACENAV_TWIST, contract.SPACENAV_JOY, contract.ANSWER)
        publishers = {topic.name: publish_on(self, topic) for topic in topics}
        duty = OperatorDuty(
            ScriptedOperator(task, seed, person),
            lambda topic, message: publishers[topic.name].publish(message),
        )
        self._reset_gate = self.create_client(Trigger, contract.SAFETY_RESET)
        for topic, hear in duty.hears.items():
            listen_to(self, topic, hear)
        listen_to(self, contract.SAFETY_STATE, self._on_safety)

    def _on_safety(self, message: SafetyState) -> None:
        # Too much force is the operator's to judge; an emergency stop is released by whoever pressed it.
        for_wrench = message.reason_code == SafetyState.REASON_WRENCH
        if message.state == SafetyState.STOPPED and for_wrench:
            self.get_logger().warning(f"the gate stopped ({message.reason}); resetting it")
            self._reset_gate.call_async(Trigger.Request())


def main() -> None:
    """Entry point."""
    run_node(OperatorNode)
