# SPDX-License-Identifier: Apache-2.0
"""The topics of the contract, as a node publishes on them."""

from __future__ import annotations

from rclpy.node import Node

from rldg_core.contract import Topic
from rldg_rl.run_parts import Publisher
from rldg_robot.ros import now, publish_on


class NodeChannel:
    """Implements `run_parts.TopicChannel`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def publisher(self, topic: Topic) -> Publisher:
        """See `run_parts.TopicChannel`."""
        publisher: Publisher = publish_on(self._node, topic)
        return publisher

    def now(self) -> int:
        """See `run_parts.TopicChannel`."""
        return now(self._node)
