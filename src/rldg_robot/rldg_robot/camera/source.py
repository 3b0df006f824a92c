# SPDX-License-Identifier: Apache-2.0
"""Where a driver's pictures come from: its topics, whoever publishes them, and why nothing of them comes.

It listens reliably, as most drivers publish: best effort loses pictures of this size. A driver that offers best effort
alone is heard that way.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

NAMES = ("image_raw", "image_rect_raw")
"""of a D405's colour topic: from realsense-ros 4.57.4 on, and before"""
IMAGE = "sensor_msgs/msg/Image"
LISTED = 5
"""topics of pictures that are named, at most"""


class CameraSubscription:
    """The topics of one camera."""

    def __init__(
        self,
        node: Node,
        name: str,
        on_image: Callable[[bytes], None],
        on_info: Callable[[CameraInfo], None],
    ) -> None:
        """Listen.

        Args:
            node: that does.
            name: of the camera's colour topics, without their last part.
            on_image: gets serialised pictures.
            on_info: gets what the camera says of itself.
        """
        self._node, self._on_image, self._on_info = node, on_image, on_info
        self._topics = [f"{name}/{last}" for last in NAMES]
        self._info = f"{name}/camera_info"
        self._best_effort: set[str] = set()
        for topic in self._topics:
            self._listen(topic, ReliabilityPolicy.RELIABLE)
        self._listen(self._info, ReliabilityPolicy.RELIABLE)

    def _listen(self, topic: str, reliability: ReliabilityPolicy) -> None:
        latest = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)
        if topic == self._info:
            self._node.create_subscription(CameraInfo, topic, self._on_info, latest)
        else:
            self._node.create_subscription(Image, topic, self._on_image, latest, raw=True)

    def look(self) -> str:
        """Hear whoever has come; what the cause may be where no picture has."""
        for topic in {*self._topics, self._info} - self._best_effort:
            if self._offers_best_effort_alone(topic):
                self._best_effort.add(topic)
                self._listen(topic, ReliabilityPolicy.BEST_EFFORT)
                self._node.get_logger().info(
                    f"{topic} is published as best effort, and subscribed to likewise"
                )
        return self._cause()

    def _offers_best_effort_alone(self, topic: str) -> bool:
        offered = {
            info.qos_profile.reliability for info in self._node.get_publishers_info_by_topic(topic)
        }
        return offered == {ReliabilityPolicy.BEST_EFFORT}

    def _cause(self) -> str:
        asked = " or ".join(self._topics)
        there = {
            topic: info
            for topic in self._topics
            for info in self._node.get_publishers_info_by_topic(topic)
        }
        for topic, info in there.items():
            if info.topic_type != IMAGE:
                return f"{topic} is a {info.topic_type}, and has to be a {IMAGE}: publish raw images there"
        if there:
            topic, info = next(iter(there.items()))
            return (
                f"{info.node_name} publishes {topic}, but nothing arrives: does it take images? Large ones get lost "
                "in Fast DDS's default profile (docs/how-to/camera.md)"
            )
        return f"no node publishes {asked}: is the camera's driver running?{self._others()}"

    def _others(self) -> str:
        """Which topics of pictures somebody publishes, as a hint."""
        own = self._node.resolve_topic_name("wrist_camera/color/image_raw")
        names = [
            name.lstrip("/")
            for name, types in self._node.get_topic_names_and_types()
            if IMAGE in types and name != own and self._node.count_publishers(name)
        ]
        if not names:
            return ""
        return f" There are {', '.join(sorted(names)[:LISTED])}: camera_topic:=<the part before /{NAMES[0]}>"
