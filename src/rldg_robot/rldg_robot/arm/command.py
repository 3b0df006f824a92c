# SPDX-License-Identifier: Apache-2.0
"""Clear the errors of a real arm from a terminal: `./rldg run rldg_robot arm recover`. Nothing else ever does."""

from __future__ import annotations

from rclpy.node import Node

from rldg_core import contract
from rldg_core.commands.command_line import Parser
from rldg_robot.gate_command import ask
from rldg_robot.node_main import own_words, run_main
from rldg_robot.terminal import say

RECOVERY_SECONDS = 100.0
"""that a robot may take, with its controllers"""


def main() -> None:
    """Entry point."""
    parser = Parser("arm", description=__doc__)
    parser.add_argument(
        "verb", choices=("recover",), help="clear the arm's errors, once it is safe"
    )
    parser.parse_args(own_words())
    whom = "driver of an arm"
    run_main(
        lambda: say(ask(Node("arm"), contract.ARM_RECOVER, whom, RECOVERY_SECONDS)),
        takes_words=True,
    )
