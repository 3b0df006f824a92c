# SPDX-License-Identifier: Apache-2.0
"""The recorder: every episode becomes a bag, complete on disk after every step."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from rldg_core import contract
from rldg_core.bags.bag_reader import summary_of
from rldg_core.contract import Topic
from rldg_core.image_contract import ImageContract
from rldg_core.message_values import nanoseconds, stamp_of
from rldg_core.user_error import UserError
from rldg_msgs.msg import Episode, RecorderStatus, Step
from rldg_msgs.srv import NextBag
from rldg_rl.episodes.bag import BagWriter
from rldg_rl.episodes.bag_exchange import give
from rldg_rl.episodes.mending import cannot_record, mend_bags
from rldg_rl.run_folder import RunFolder, RunFolderError, is_episode
from rldg_robot.node_main import run_node
from rldg_robot.ros import listen_to, message_in, now, publish_on
from rldg_robot.ros_values import to_stamp

LINGER = 0.5  # [s] of wall time that a closing bag waits for the episode's last image
SHOWN_LETTERS = 100  # of a name that is none
QUEUE = 64  # messages of a topic that may wait to be written: a bag has no gaps
LAST_STREAMS = (contract.CURRENT_POSE, contract.TASK_STATE, contract.WRIST_IMAGE)


class OpenBag:
    """The bag of the episode that is open."""

    def __init__(self, writer: BagWriter, opening: Episode) -> None:
        self.writer = writer
        self.episode = opening
        self.steps: list[Step] = []
        self.closing = False


class RecorderNode(Node):
    """Writes raw messages as they come; knows only steps and episodes by content."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.run = RunFolder(Path(self.declare_parameter("run", "runs/unnamed").value))
        self._image_contract = self._ask_image_contract()
        self._bag: OpenBag | None = None
        self._error = ""
        self._last_id = ""
        self._cache: dict[str, bytes] = {}
        self._linger: Timer | None = None
        self._early: deque[bytes] = deque(maxlen=contract.STEP.depth)
        self._status = publish_on(self, contract.RECORDER_STATUS)
        try:
            self.run.prepare()
            for message in mend_bags(self.run, self._image_contract):
                self.get_logger().warning(message)
        except (RunFolderError, OSError) as error:
            self._fail(error)
            raise UserError(self._error) from error
        for topic in contract.RECORDED:
            if topic not in (contract.STEP, contract.EPISODE):
                listen_to(self, topic, self._keeper(topic), raw=True, depth=QUEUE)
        listen_to(self, contract.STEP, self._on_step, raw=True)
        listen_to(self, contract.EPISODE, self._on_episode, raw=True)
        self.create_service(NextBag, contract.NEXT_BAG, self._on_next_bag)
        self._report()

    def _ask_image_contract(self) -> str:
        """What the pictures are, where a real camera takes them; the parameter `crop` is that of `wrist_camera`."""
        crop = self.declare_parameter("crop", "").value
        return str(ImageContract.read(crop)) if crop else ""

    def _keeper(self, topic: Topic) -> Callable[[bytes], None]:
        name = topic.name

        def keep(cdr: bytes) -> None:
            first = name not in self._cache
            self._cache[name] = cdr
            if first and topic in contract.LOOP:
                self._report()
            if self._bag is not None:
                self._write(name, cdr)
                if self._bag is not None and self._bag.closing:
                    self._close_if_whole()

        return keep

    def _on_episode(self, cdr: bytes) -> None:
        episode: Episode | None = message_in(cdr, contract.EPISODE)
        if episode is None:
            return
        if episode.status == Episode.OPEN:
            self._open(episode, cdr)
        elif self._bag is not None and self._bag.episode.episode_id == episode.episode_id:
            self._bag.episode = episode
            self._write(contract.EPISODE.name, cdr)
            if self._bag is not None:
                self._bag.closing = True
                self._linger = self.create_timer(
                    LINGER, self._close, clock=Clock(clock_type=ClockType.STEADY_TIME)
                )
                self._close_if_whole()

    def _open(self, episode: Episode, cdr: bytes) -> None:
        if self._bag is not None:
            self._close()
        if not is_episode(episode.episode_id):
            self.get_logger().error(
                f"an episode is not recorded, for {episode.episode_id[:SHOWN_LETTERS]!r} is no name of one: "
                "<source>_<number> is",
                throttle_duration_sec=1.0,
            )
            return
        path = self.run.bags / episode.episode_id
        if os.path.lexists(path) or self._error:
            return  # latched: an episode that was recorded before this recorder was restarted
        try:
            self._bag = OpenBag(BagWriter(path, self._image_contract), episode)
        except OSError as error:
            self._fail(error)
            return
        self._last_id = episode.episode_id
        self._write(contract.EPISODE.name, cdr)
        for name, cached in self._cache.items():
            self._write(name, cached)
        self._flush()
        # Topics keep no order among each other: a step can be here before its episode.
        for early in list(self._early):
            self._on_step(early)

    def _on_step(self, cdr: bytes) -> None:
        bag = self._bag
        step: Step | None = message_in(cdr, contract.STEP)
        if step is None:
            return
        if bag is None or step.episode_id != bag.episode.episode_id:
            self._early.append(cdr)
            return
        if step.index != len(bag.steps):
            return  # published again for a recorder that was restarted
        bag.steps.append(step)
        self._write(contract.STEP.name, cdr)
        self._flush()
        if self._bag is not None and bag.closing:
            self._close_if_whole()

    def _write(self, name: str, cdr: bytes) -> None:
        if self._bag is None:
            return
        try:
            self._bag.writer.write(name, now(self), cdr)
        except OSError as error:
            self._fail(error)

    def _on_next_bag(self, request: NextBag.Request, _: NextBag.Response) -> NextBag.Response:
        return give(self.run, request)

    def _flush(self) -> None:
        if self._bag is None:
            return
        try:
            self._bag.writer.flush()
        except OSError as error:
            self._fail(error)
        self._report()

    def _close_if_whole(self) -> None:
        """Close once the messages that belong to the last step have all arrived."""
        assert self._bag is not None
        if len(self._bag.steps) < self._bag.episode.steps:
            return
        if self._bag.steps:
            last = nanoseconds(self._bag.steps[-1].next_state_stamp)
            heard = [self._cache.get(topic.name) for topic in LAST_STREAMS]
            if any(cdr is None or stamp_of(cdr) < last for cdr in heard):
                return
        self._close()

    def _close(self) -> None:
        if self._linger is not None:
            self.destroy_timer(self._linger)
            self._linger = None
        bag, self._bag = self._bag, None
        if bag is None:
            return
        try:
            bag.writer.close(summary_of(bag.episode, bag.steps))
        except OSError as error:
            self._fail(error)
        self._report(steps=len(bag.steps))

    def _fail(self, error: Exception) -> None:
        """Say once what is wrong; what was recorded stays as it is."""
        if self._bag is not None:
            self._bag.writer.abort()
            self._bag = None
        self._error = cannot_record(self.run, error)
        self.get_logger().error(self._error)
        self._report()

    def _report(self, steps: int = 0) -> None:
        message = RecorderStatus(
            run=self.run.name,
            episode_id=self._last_id,
            open=self._bag is not None,
            steps=len(self._bag.steps) if self._bag is not None else steps,
            unheard=[topic.name for topic in contract.LOOP if topic.name not in self._cache],
            error=self._error,
        )
        message.header.stamp = to_stamp(now(self))
        self._status.publish(message)


def main() -> None:
    """Entry point."""
    run_node(RecorderNode)
