# SPDX-License-Identifier: Apache-2.0
"""Who else publishes a topic here: a ROS domain has one robot, and one gate that moves it."""

from __future__ import annotations

import time

from rclpy.node import Node

from rldg_core.contract import SAFETY_STATE
from rldg_core.user_error import UserError

SEARCH_SECONDS = 2.0
"""of wall time: nodes of one machine have found each other within one"""
LEAVE_SECONDS = 3.0
"""of wall time that is left to a gate which is about to end"""
LOOK_SECONDS = 0.05
UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""name of a node that was found a moment ago"""


def others_on(node: Node, topic: str) -> list[str]:
    """Names of the nodes that publish a topic, without this one's own publishers."""
    path = node.resolve_topic_name(topic)
    names = [str(info.node_name) for info in node.get_publishers_info_by_topic(path)]
    for _ in [own for own in node.publishers if own.topic_name == path]:
        if node.get_name() in names:
            names.remove(node.get_name())
    return names


def somebody(names: list[str]) -> str:
    """One of those nodes, in words."""
    known = [f"the node '{name}'" for name in names if name != UNKNOWN]
    return (known or ["another node"])[0]


def refuse_second_gate(node: Node) -> None:
    """Look for a gate in this ROS domain before this node becomes one; takes `SEARCH_SECONDS` where there is none.

    Raises:
        UserError: there is one, and it stays.
    """
    began = time.monotonic()
    seen: float | None = None
    while True:
        others, now = others_on(node, SAFETY_STATE.name), time.monotonic()
        if others and seen is None:
            seen = now
        if seen is not None and now - seen > LEAVE_SECONDS:
            raise UserError(
                f"{somebody(others)} publishes {node.resolve_topic_name(SAFETY_STATE.name)} in ROS domain "
                f"{node.context.get_domain_id()} already: another stack moves a robot there, on this machine or on "
                "another one, and the two would drive each other's robot. Stop it first, or give this one a domain of "
                "its own: ROS_DOMAIN_ID=<another number> ./rldg launch ..."
            )
        if not others:
            seen = None
            if now - began > SEARCH_SECONDS:
                return
        time.sleep(LOOK_SECONDS)
