# SPDX-License-Identifier: Apache-2.0
"""What is said of this run: messages that name another one are ignored, and that is said once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from rldg_core.contract import Topic
from rldg_rl.run_folder import RunFolder
from rldg_robot.ros import listen_to


def listen_to_own(
    node: Node, topic: Topic, run: RunFolder, callback: Callable[[Any], None]
) -> None:
    """Subscribe to a topic whose messages name their run.

    Args:
        node: that subscribes.
        topic: of the contract.
        run: the node's own.
        callback: gets the messages of this run.
    """

    def hear(message: Any) -> None:
        if message.run == run.name:
            callback(message)
        else:
            tell_stranger(node, topic.name, message.run, run)

    listen_to(node, topic, hear)


def tell_stranger(node: Node, where: str, stranger: str, run: RunFolder) -> None:
    """Say once that somebody speaks of another run."""
    node.get_logger().warning(
        f"{where} is about the run {stranger[:100]!r}, and this is {run.name!r}: ignored. Two machines that share a "
        "run are started with the same name:=, two runs in two ROS domains",
        once=True,
    )
