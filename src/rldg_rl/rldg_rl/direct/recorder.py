# SPDX-License-Identifier: Apache-2.0
"""The recorder of a run in one process: every episode becomes a bag, complete on disk after every step."""

from __future__ import annotations

from functools import partial
from typing import Any

from rldg_core.bags.bag_reader import summary_of
from rldg_core.bags.encoding import encode
from rldg_core.contract import EPISODE, RECORDED, STEP, Topic
from rldg_core.user_error import UserError
from rldg_msgs.msg import Episode, Step
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.episodes.bag import BagWriter
from rldg_rl.episodes.mending import cannot_record, mend_bags
from rldg_rl.log import Log
from rldg_rl.run_folder import RunFolder


def mend(run: RunFolder, log: Log) -> None:
    """Make a run's folder, and mend what a kill left open.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        run.prepare()
        for line in mend_bags(run):
            log.warning(line)
    except OSError as error:
        raise UserError(cannot_record(run, error)) from error


class DirectRecorder:
    """Implements `run_parts.Recorder`; a bag begins with the last message of every topic, as the node's does."""

    def __init__(self, run: RunFolder, channel: LocalChannel) -> None:
        """Listen.

        Args:
            run: whose bags are written, once `mend` was called.
            channel: that is recorded.
        """
        self._run = run
        self._channel = channel
        self._latest: dict[str, tuple[Topic, Any]] = {}
        self._writer: BagWriter | None = None
        self._steps: list[Step] = []
        self.open_episode = ""
        for topic in RECORDED:
            if topic not in (STEP, EPISODE):
                channel.listen(topic, partial(self._hear, topic))
        channel.listen(STEP, self._hear_step)
        channel.listen(EPISODE, self._hear_episode)

    def is_there(self) -> bool:
        """See `run_parts.Recorder`."""
        return True

    def is_free(self) -> bool:
        """See `run_parts.Recorder`."""
        return not self.open_episode

    def has(self, episode_id: str, steps: int) -> bool:
        """See `run_parts.Recorder`."""
        return self.open_episode == episode_id and len(self._steps) >= steps

    def close(self) -> None:
        """Let go of a bag that is open; the next start mends it."""
        if self._writer is not None:
            self._writer.abort()
            self._writer, self.open_episode = None, ""

    def _hear(self, topic: Topic, message: Any) -> None:
        self._latest[topic.name] = topic, message
        self._write(topic, message)

    def _hear_step(self, step: Step) -> None:
        self._write(STEP, step)
        self._steps.append(step)
        self._flush()

    def _hear_episode(self, episode: Episode) -> None:
        if episode.status == Episode.OPEN:
            self._open(episode)
            return
        self._write(EPISODE, episode)
        self._close(episode)

    def _open(self, episode: Episode) -> None:
        try:
            self._writer = BagWriter(self._run.bags / episode.episode_id)
        except OSError as error:
            raise UserError(cannot_record(self._run, error)) from error
        self.open_episode, self._steps = episode.episode_id, []
        self._write(EPISODE, episode)
        for topic, message in self._latest.values():
            self._write(topic, message)
        self._flush()

    def _write(self, topic: Topic, message: Any) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(topic.name, self._channel.time, encode(topic, message))
        except OSError as error:
            self._fail(error)

    def _flush(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except OSError as error:
            self._fail(error)

    def _close(self, episode: Episode) -> None:
        writer, self._writer, self.open_episode = self._writer, None, ""
        if writer is None:
            return
        try:
            writer.close(summary_of(episode, self._steps))
        except OSError as error:
            raise UserError(cannot_record(self._run, error)) from error

    def _fail(self, error: OSError) -> None:
        self.close()
        raise UserError(cannot_record(self._run, error)) from error
