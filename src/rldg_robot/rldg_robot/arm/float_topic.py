# SPDX-License-Identifier: Apache-2.0
"""A topic whose messages are a header and floats: serialised once, then only what changes is written into the bytes.

At 100 Hz, beside a control loop that has emptied the caches, rclpy takes twice as long to walk through a message's
fields. Places are not listed here but found, in a message that is filled with values of which there are no others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import ArrayLike
from rclpy.node import Node
from rclpy.serialization import serialize_message

from rldg_core.contract import Topic
from rldg_robot.ros import publish_on

STAMP = 4
"""byte at which a message's header begins, behind what tells the order of bytes"""


class FloatTopic:
    """Publisher of one topic."""

    def __init__(
        self,
        node: Node,
        topic: Topic,
        frame: str,
        make: Callable[..., Any],
        sizes: Sequence[int],
    ) -> None:
        """Serialise a message.

        Args:
            node: that publishes.
            topic: of the contract; its messages begin with a header.
            frame: that every header names.
            make: the message of runs of float64, all else in it as it stays.
            sizes: of those runs.
        """
        marks = [np.arange(1.0, size + 1.0) + 100.0 * i for i, size in enumerate(sizes)]
        message = make(*marks)
        message.header.frame_id = frame
        self._bytes = bytearray(serialize_message(message))
        self._stamp = np.frombuffer(self._bytes, np.uint32, 2, STAMP)
        self._runs = [
            np.frombuffer(self._bytes, np.float64, mark.size, self._bytes.index(mark.tobytes()))
            for mark in marks
        ]
        self._publisher = publish_on(node, topic)

    def publish(self, stamp: Time, *runs: ArrayLike) -> None:
        """A message with these values."""
        self._stamp[:] = stamp.sec, stamp.nanosec
        for run, values in zip(self._runs, runs, strict=True):
            run[:] = values
        self._publisher.publish(bytes(self._bytes))
