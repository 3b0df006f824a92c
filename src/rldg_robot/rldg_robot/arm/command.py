# SPDX-License-Identifier: Apache-2.0
"""Clear the errors of a real arm from a terminal: `./rldg run rldg_robot arm recover`. Nothing else ever does."""

from __future__ import annotations

import sys

from rclpy.node import Node

from rldg_core import contract
from rldg_core.commands.command_line import Parser
from rldg_robot.gate_command import ask
from rldg_robot.node_main import own_words, run_main
from rldg_robot.terminal import say

RECOVERY_SECONDS = 100.0
"""that a robot may take, with its controllers"""
NOT_RECOVERED = 1
"""exit code: the driver answered that the arm still has its errors"""


def main() -> None:
    """Entry point."""
    parser = Parser("arm", description=__doc__)
    parser.add_argument(
        "verb", choices=("recover",), help="clear the arm's errors, once it is safe"
    )
    parser.parse_args(own_words())
    run_main(recover_arm, takes_words=True)


def recover_arm() -> None:
    """Ask the driver, print its answer, and exit with NOT_RECOVERED where the arm still has its errors.

    Raises:
        UserError: no driver answers.
    """
    answer = ask(Node("arm"), contract.ARM_RECOVER, "driver of an arm", RECOVERY_SECONDS)
    say(answer.message)
    if not answer.success:
        sys.exit(NOT_RECOVERED)
