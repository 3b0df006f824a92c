# SPDX-License-Identifier: Apache-2.0
"""The few lines of ROS that every node shares: topics of the contract, time."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import Executor
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.time_source import TimeSource
from rosgraph_msgs.msg import Clock as ClockMsg

from rldg_core.contract import Topic
from rldg_core.message_values import SECOND, STAMPED
from rldg_robot.message_check import fault_of, has_check

_take_time = TimeSource.clock_callback


def _take_sound_time(source: TimeSource, message: ClockMsg) -> None:
    """Rclpy's own raises, in every node of a simulation, where anybody says a time before 1970."""
    if message.clock.sec >= 0:
        _take_time(source, message)


TimeSource.clock_callback = _take_sound_time  # type: ignore[method-assign]


def message_class(topic: Topic) -> Any:
    """The Python class of a topic's messages."""
    package, kind, name = topic.type.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), name)


def qos(topic: Topic) -> QoSProfile:
    """The rclpy profile of a topic."""
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=topic.depth,
        reliability=ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
        ),
    )
    if topic.lifespan is not None:
        profile.lifespan = Duration(nanoseconds=int(topic.lifespan * SECOND))
    return profile


def make_executor(*nodes: Node) -> Executor:
    """What runs the callbacks of nodes, one after the other, and spends the least of a core on it.

    rclpy's other executors collect all that may happen anew before every wait, in Python. This one it calls
    experimental, and three things are not for it: callbacks that are coroutines (rclpy before 7.1.11), waits without a
    timeout (before 7.1.8), and subscriptions destroyed in a node that goes on (ros2/rclpy#1644).
    """
    executor = EventsExecutor()
    for node in nodes:
        executor.add_node(node)
    return executor


def publish_on(node: Node, topic: Topic) -> Publisher:
    """A publisher of a topic of the contract."""
    return node.create_publisher(message_class(topic), topic.name, qos(topic))


def listen_to(
    node: Node,
    topic: Topic,
    callback: Callable[[Any], None],
    *,
    raw: bool = False,
    depth: int | None = None,
    checked: bool = True,
    on_match: Callable[[Any], None] | None = None,
) -> Subscription:
    """A subscription to a topic of the contract. What cannot be used is not handed over, and said.

    Args:
        node: that subscribes.
        topic: of the contract.
        callback: gets every message that can be used, see `message_check`.
        raw: hand over the CDR bytes, of every message that is long enough for its stamp.
        depth: messages to queue where every one counts; by default the topic's own depth.
        checked: False: hand over every message, for who listens checks them.
        on_match: called with every publisher that comes or goes, before its messages.
    """
    if checked and not raw and has_check(topic):
        callback = _checked(node, topic, callback)
    if raw and "header" in message_class(topic).get_fields_and_field_types():
        callback = _stamped(callback)
    profile = qos(topic)
    profile.depth = depth or topic.depth
    events = SubscriptionEventCallbacks(matched=on_match) if on_match else None
    return node.create_subscription(
        message_class(topic), topic.name, callback, profile, raw=raw, event_callbacks=events
    )


def _stamped(callback: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Serialised messages come unread: one from elsewhere may be shorter than its header."""

    def hear(cdr: bytes) -> None:
        if len(cdr) >= STAMPED:
            callback(cdr)

    return hear


def message_in(cdr: bytes, topic: Topic) -> Any | None:
    """A serialised message of a topic; None where those bytes are none."""
    try:
        return deserialize_message(cdr, message_class(topic))
    except (RuntimeError, MemoryError):  # an RMWError is the former
        return None


def unheard(node: Node, topic: Topic) -> list[str]:
    """Of the publishers of a topic those that this side cannot hear for their quality of service, in words."""
    if not topic.reliable:
        return []
    return [
        f"{info.node_name} offers {topic.name} by best effort, and reliable is asked for: let it publish reliably"
        for info in node.get_publishers_info_by_topic(topic.name)
        if info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    ]


def _checked(node: Node, topic: Topic, callback: Callable[[Any], None]) -> Callable[[Any], None]:
    def hear(message: Any) -> None:
        if fault := fault_of(topic, message):
            node.get_logger().warning(
                f"a message on {topic.name} is not used: {fault}", throttle_duration_sec=5.0
            )
            return
        callback(message)

    return hear


def now(node: Node) -> int:
    """The node's ROS time in ns."""
    return int(node.get_clock().now().nanoseconds)
