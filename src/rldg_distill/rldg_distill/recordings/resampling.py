# SPDX-License-Identifier: Apache-2.0
"""Topics of different rates on one time line: at every tick the latest message at or before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.bag_storage import messages, topics
from rldg_distill.recordings.recording import FINGER
from rldg_robot.bag_reader import typestore
from rldg_robot.contract import JOINT_STATES
from rldg_robot.message_values import SECOND, stamp_of

MAX_AGE = SECOND // 2
"""[ns] beyond which the latest message says nothing of a tick, and two clocks are not the same"""
RULE = (
    "at every control step the latest message at or before it, none older than 0.5 s, from the moment at which every "
    "stream has one until the first of them ends"
)
"""what happens here, for people"""


@dataclass(frozen=True, eq=False)
class Stream:
    """The messages of a topic in the order of the file."""

    topic: str
    type: str
    logs: np.ndarray
    """(N,) int64 [ns] when they were recorded"""
    times: np.ndarray
    """(N,) int64 [ns] by which they are resampled"""
    content: list[bytes]
    """serialised; empty for images"""

    @property
    def first(self) -> int:
        """[ns]."""
        return int(self.times.min())

    @property
    def last(self) -> int:
        """[ns]."""
        return int(self.times.max())

    def numbers(self, ticks: np.ndarray) -> np.ndarray:
        """(T,) places in the file of the latest message at or before each tick, none of which lies before `first`."""
        order = np.argsort(self.times, kind="stable")
        return order[np.searchsorted(self.times[order], ticks, side="right") - 1]

    def stamps(self, ticks: np.ndarray) -> np.ndarray:
        """(T,) int64 [ns] of those messages."""
        return self.times[self.numbers(ticks)]

    def messages(self, ticks: np.ndarray) -> Iterator[Any]:
        """The T messages themselves."""
        return (
            typestore().deserialize_cdr(self.content[n], self.type) for n in self.numbers(ticks)
        )

    def check_ages(self, ticks: np.ndarray) -> None:
        """That the stream never falls silent.

        Raises:
            BadBag: it does.
        """
        ages = ticks - self.stamps(ticks)
        old = ages > MAX_AGE
        if old.any():
            step = int(old.argmax())
            raise BadBag(
                f"step {step}: the latest message of {self.topic} is {ages[step] / SECOND:.2f} s old, "
                f"more than {MAX_AGE / SECOND} s"
            )


def read_streams(
    path: Path, wanted: Collection[str], images: Collection[str], clock: str
) -> dict[str, Stream]:
    """Streams of some topics by their names.

    Args:
        path: the bag's folder.
        wanted: topics, all of messages that begin with a header.
        images: those of them whose content stays in the bag.
        clock: `header`: header stamps, and the time of recording for a stream that has none; `log`: time of recording.

    Raises:
        BadBag: a topic has no message, or the stamps of two are not of the same clock.
    """
    kinds = {topic: info.type for topic, info in topics(path).items() if topic in wanted}
    logs: dict[str, list[int]] = {topic: [] for topic in kinds}
    headers: dict[str, list[int]] = {topic: [] for topic in kinds}
    content: dict[str, list[bytes]] = {topic: [] for topic in kinds}
    for topic, time, cdr in messages(path, kinds):
        if kinds[topic] == JOINT_STATES.type and FINGER not in cdr:
            continue  # the arm speaks on the same topic as the gripper
        logs[topic].append(time)
        headers[topic].append(stamp_of(cdr))
        if topic not in images:
            content[topic].append(cdr)
    missing = sorted(topic for topic in wanted if not logs.get(topic))
    if missing:
        raise BadBag(f"has no message of {', '.join(missing)}")
    times = headers if clock == "header" else logs
    return {
        topic: Stream(
            topic,
            kinds[topic],
            np.array(logs[topic], np.int64),
            np.array(times[topic] if any(headers[topic]) else logs[topic], np.int64),
            content[topic],
        )
        for topic in sorted(wanted)
    }


def check_clocks(streams: Collection[Stream], reference: Stream) -> None:
    """That the stamps of two computers, or of simulated and real time, are not taken for those of one clock.

    Raises:
        BadBag: they differ.
    """
    order = np.argsort(reference.logs, kind="stable")
    ahead = (reference.times - reference.logs)[order]
    for stream in streams:
        expected = np.interp(stream.logs, reference.logs[order], ahead)
        difference = float(np.median(stream.times - stream.logs - expected)) / SECOND
        if abs(difference) > MAX_AGE / SECOND:
            raise BadBag(
                f"{stream.topic} has stamps {difference:.2f} s off those that {reference.topic} had when it was "
                "recorded: different clocks. Synchronise them, or go by the time of recording: --recorded clock=log"
            )


def common_ticks(
    measured: Collection[Stream],
    commands: Collection[Stream],
    ageless: Collection[Stream],
    span: tuple[int, int],
    period: int,
) -> np.ndarray:
    """Ticks from the moment at which every stream has a message: T steps, and the tick that closes the last.

    Args:
        measured: must last to the end, or a camera that died would cut an episode to a success that it was not.
        commands: may end earlier, with a last message that counts for one step: who commands lets go.
        ageless: may speak only when something changes.
        span: [ns] outside of which there are no ticks.
        period: [ns].

    Returns:
        (T+1,) int64 [ns].

    Raises:
        BadBag: a stream ended early, or there is no step.
    """
    everything = [*measured, *commands, *ageless]
    first, *_, last = sorted(measured, key=lambda stream: stream.last)
    if last.last - first.last > MAX_AGE:
        raise BadBag(
            f"{first.topic} ends {(last.last - first.last) / SECOND:.2f} s before {last.topic}"
        )
    start = max(span[0], *(stream.first for stream in everything))
    end = min(span[1], first.last, *(stream.last + period for stream in commands))
    if end - start < period:
        zero = min(stream.first for stream in everything)
        spans = ", ".join(
            f"{s.topic} {(s.first - zero) / SECOND:.2f} to {(s.last - zero) / SECOND:.2f} s"
            for s in everything
        )
        raise BadBag(f"has no control step in which all its streams run: {spans}")
    return np.arange(start, end + 1, period, dtype=np.int64)
