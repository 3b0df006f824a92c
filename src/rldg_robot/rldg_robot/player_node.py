# SPDX-License-Identifier: Apache-2.0
"""The player: publishes what was recorded, on the topics that it was recorded on, and the clock.

Byte for byte; a message of an earlier definition of its type in the form of today's, which subscribers know.
"""

from __future__ import annotations

import time
from pathlib import Path

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock as ClockMsg

from rldg_core import contract
from rldg_core.bags.bag_reader import bags_in, raw_messages
from rldg_core.bags.earlier_messages import DamagedMessage
from rldg_core.user_error import UserError
from rldg_robot.alone import others_on, somebody
from rldg_robot.node_main import run_main
from rldg_robot.playback import cues, topics_of
from rldg_robot.ros import message_class, publish_on
from rldg_robot.ros_values import to_stamp

SETTLE_SECONDS = 3.0  # of wall time for nodes to find each other: a robot is seen, and no one misses the beginning
WATCH_SECONDS = 1.0  # of wall time between looks at who else publishes
ACKNOWLEDGED = Duration(seconds=5)


class PlayerNode(Node):
    """Plays bags one after another. Its messages would move a robot, so it plays where there is none only."""

    def __init__(self) -> None:
        super().__init__("player")
        path = Path(self.declare_parameter("bag", "").value)
        self.rate = float(self.declare_parameter("rate", 1.0).value)
        self.loop = bool(self.declare_parameter("loop", False).value)
        try:
            self.bags = bags_in(path)
        except FileNotFoundError as error:
            raise UserError(str(error)) from error
        self._clock = self.create_publisher(ClockMsg, "/clock", 1)
        self._outputs: dict[str, Publisher | None] = {}
        self._watched = 0.0

    def play(self) -> None:
        """Play everything, until the end or Ctrl-C.

        Raises:
            UserError: a bag is damaged, or holds no message.
        """
        self._offer(self.bags[0])
        time.sleep(SETTLE_SECONDS)
        self._stay_alone()
        while rclpy.ok():
            try:
                played = sum(self._play(bag) for bag in self.bags)
            except DamagedMessage as error:
                raise UserError(f"cannot be played on: {error}") from error
            if not played:
                raise UserError(f"there is no message in {self.bags[0].parent}")
            if not self.loop:
                break
        for publisher in filter(None, self._outputs.values()):
            publisher.wait_for_all_acked(ACKNOWLEDGED)

    def _play(self, bag: Path) -> int:
        """Play one bag; returns the number of its messages."""
        self._offer(bag)
        self.get_logger().info(f"{bag} at {self.rate:g} x real time")
        began, played = time.monotonic(), 0
        for cue in cues(raw_messages(bag), self.rate):
            left = began + cue.wall - time.monotonic()
            if left > 0:
                time.sleep(left)
            if not rclpy.ok():
                break
            if not cue.topic:
                self._stay_alone()
                self._clock.publish(ClockMsg(clock=to_stamp(cue.time)))
            elif (publisher := self._outputs.get(cue.topic)) is not None:
                publisher.publish(cue.cdr)
                played += 1
        return played

    def _offer(self, bag: Path) -> None:
        """Make the publishers that a bag needs; what cannot be published is reported once."""
        for topic in topics_of(bag):
            key = topic.name.lstrip("/")
            if key in self._outputs:
                continue
            try:
                message_class(topic)
            except (ImportError, AttributeError):
                self._outputs[key] = None
                self.get_logger().warning(
                    f"left out: /{key}, for {topic.type} is not installed here: source the "
                    "workspace that has it"
                )
            else:
                self._outputs[key] = publish_on(self, topic)

    def _stay_alone(self) -> None:
        """Look for others on the robot's topics every now and then.

        Raises:
            UserError: there is somebody.
        """
        if time.monotonic() - self._watched < WATCH_SECONDS:
            return
        self._watched = time.monotonic()
        for name in ("/clock", *(topic.name for topic in contract.TOPICS.values())):
            if others := others_on(self, name):
                raise UserError(
                    f"{somebody(others)} publishes {self.resolve_topic_name(name)} here, and a robot would follow "
                    "what is played: stop the stack that it belongs to, or play in a domain of its "
                    "own: ROS_DOMAIN_ID=1 ./rldg launch replay ..."
                )


def main() -> None:
    """Entry point."""

    def play() -> None:
        node = PlayerNode()
        try:
            node.play()
        finally:
            node.destroy_node()

    run_main(play)
