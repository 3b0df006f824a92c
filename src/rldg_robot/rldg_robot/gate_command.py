# SPDX-License-Identifier: Apache-2.0
"""Stop the arm, or release it again, from a terminal: `./rldg run rldg_robot gate stop`."""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.commands.command_line import Parser
from rldg_core.user_error import UserError
from rldg_msgs.msg import SafetyState
from rldg_robot.node_main import own_words, run_main
from rldg_robot.ros import listen_to, publish_on
from rldg_robot.terminal import say

PATIENCE = 5.0  # [s]


def stop(node: Node) -> str:
    """Publish the emergency stop until the gate says that it has stopped; returns what to tell.

    Raises:
        UserError: the gate does not say so.
    """
    heard: list[SafetyState] = []
    listen_to(node, contract.SAFETY_STATE, heard.append)
    publisher = publish_on(node, contract.EMERGENCY_STOP)

    def stopped() -> bool:
        publisher.publish(Empty())  # again and again: a gate may not know of this node yet
        return bool(heard) and heard[-1].state == SafetyState.STOPPED

    try:
        _wait(stopped, node)
    except UserError as error:
        raise UserError(f"{error} An arm that moves: press its own button") from error
    return "stopped; release with: ./rldg run rldg_robot gate reset"


def reset(node: Node) -> str:
    """Call the gate's reset; returns what it answered."""
    return str(ask(node, contract.SAFETY_RESET, "safety gate").message)


def ask(node: Node, service: str, whom: str, patience: float = PATIENCE) -> Trigger.Response:
    """Call a Trigger; returns what it answered within `patience` [s].

    Raises:
        UserError: no node answers; `whom` names who should.
    """
    client = node.create_client(Trigger, service)
    _wait(client.service_is_ready, node, whom)
    future = client.call_async(Trigger.Request())
    _wait(future.done, node, whom, patience)
    response: Trigger.Response = future.result()
    return response


def _wait(
    condition: Callable[[], bool],
    node: Node,
    whom: str = "safety gate",
    patience: float = PATIENCE,
) -> None:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise UserError(f"no {whom} answered within {patience:.0f} s; is a stack running?")
        rclpy.spin_once(node, timeout_sec=0.05)


def main() -> None:
    """Entry point."""
    verbs = {"stop": stop, "reset": reset}
    parser = Parser("gate", description=__doc__)
    parser.add_argument("verb", choices=verbs, help="stop: hold the arm now; reset: release it")
    arguments = parser.parse_args(own_words())

    def run() -> None:
        say(verbs[arguments.verb](Node("gate")))

    run_main(run, takes_words=True)
