# SPDX-License-Identifier: Apache-2.0
"""The topics of the contract within one process: who listens is called at once, in the order of listening."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rldg_core.contract import Topic


class LocalChannel:
    """Implements `run_parts.TopicChannel`."""

    def __init__(self) -> None:
        self.time = 0
        """[ns] of ROS time: the last moment of the robot"""
        self._listeners: dict[str, list[Callable[[Any], None]]] = defaultdict(list)

    def listen(self, topic: Topic, callback: Callable[[Any], None]) -> None:
        """Call whenever a message of a topic is published."""
        self._listeners[topic.name].append(callback)

    def leave(self, topic: Topic, callback: Callable[[Any], None]) -> None:
        """Call no more."""
        self._listeners[topic.name].remove(callback)

    def publish(self, topic: Topic, message: Any) -> None:
        """Hand a message to everybody who listens."""
        for callback in self._listeners[topic.name]:
            callback(message)

    def listeners(self, topic: Topic) -> int:
        """How many there are."""
        return len(self._listeners[topic.name])

    def publisher(self, topic: Topic) -> LocalPublisher:
        """See `run_parts.TopicChannel`."""
        return LocalPublisher(self, topic)

    def now(self) -> int:
        """See `run_parts.TopicChannel`."""
        return self.time


@dataclass(frozen=True)
class LocalPublisher:
    """Implements `run_parts.Publisher`."""

    channel: LocalChannel
    topic: Topic

    def publish(self, message: Any) -> None:
        """See `run_parts.Publisher`."""
        self.channel.publish(self.topic, message)

    def get_subscription_count(self) -> int:
        """See `run_parts.Publisher`."""
        return self.channel.listeners(self.topic)
