# SPDX-License-Identifier: Apache-2.0
"""Topics of different rates on one time line: at every tick the latest message at or before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.bags.bag_reader import typestore
from rldg_core.contract import JOINT_STATES
from rldg_core.message_values import SECOND, frame_of, stamp_of
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.bag_storage import messages, topics
from rldg_distill.recordings.foreign.clock_jumps import behind, clock_jumps
from rldg_distill.recordings.foreign.gripper_joints import names_all
from rldg_distill.recordings.staleness import MAX_AGE

LONGEST = 3600 * SECOND
"""[ns] of an episode; stamps are anybody's numbers, and every step takes memory"""
LATEST = 2**62
"""[ns] of a time of recording, in the year 2116: sums of two still fit"""
RULE = (
    "at every control step the latest message at or before it, none older than 0.5 s, from the moment at which every "
    "stream has one until the first of them ends"
)
"""what happens here, for people"""


@dataclass(frozen=True, eq=False)
class MessageStream:
    """The messages of a topic in the order of the file."""

    topic: str
    type: str
    logs: np.ndarray
    """(N,) int64 [ns] when they were recorded"""
    times: np.ndarray
    """(N,) int64 [ns] by which they are resampled"""
    content: list[bytes]
    """serialised; empty for images"""
    frames: frozenset[str] = frozenset()
    """that its headers name"""
    places: np.ndarray | None = None
    """(N,) place of every message among those of its topic in the file; None: all are here"""
    order: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N,) place of every message among all that were read, whatever their clocks say"""
    remarks: tuple[str, ...] = ()
    """what of it was left out"""

    @property
    def first(self) -> int:
        """[ns]."""
        return int(self.times.min())

    @property
    def last(self) -> int:
        """[ns]."""
        return int(self.times.max())

    def numbers(self, ticks: np.ndarray) -> np.ndarray:
        """(T,) which message is the latest at or before each tick, none of which lies before `first`."""
        order = np.argsort(self.times, kind="stable")
        return order[np.searchsorted(self.times[order], ticks, side="right") - 1]

    def placed(self, ticks: np.ndarray) -> np.ndarray:
        """(T,) places in the file of those messages, among all of their topic."""
        numbers = self.numbers(ticks)
        return numbers if self.places is None else self.places[numbers]

    def only(self, kept: np.ndarray, remark: str) -> MessageStream:
        """Without the messages that are not `kept`, (N,) bool."""
        content = list(compress(self.content, kept)) if self.content else []
        places = np.arange(len(kept)) if self.places is None else self.places
        return replace(
            self,
            logs=self.logs[kept],
            times=self.times[kept],
            content=content,
            places=places[kept],
            order=self.order[kept],
            remarks=(*self.remarks, remark),
        )

    def stamps(self, ticks: np.ndarray) -> np.ndarray:
        """(T,) int64 [ns] of those messages."""
        return self.times[self.numbers(ticks)]

    def messages(self, ticks: np.ndarray) -> Iterator[Any]:
        """The T messages themselves."""
        return (
            typestore().deserialize_cdr(self.content[n], self.type) for n in self.numbers(ticks)
        )

    def check_ages(self, ticks: np.ndarray, oldest: int = MAX_AGE) -> None:
        """That the stream never falls silent for longer than `oldest` ns.

        Raises:
            BadBag: it does.
        """
        ages = ticks - self.stamps(ticks)
        old = ages > oldest
        if old.any():
            step = int(old.argmax())
            raise BadBag(
                f"step {step}: the latest message of {self.topic} is {ages[step] / SECOND:.2f} s old, "
                f"more than {oldest / SECOND:.2g} s"
            )


def read_streams(
    path: Path,
    wanted: Collection[str],
    images: Collection[str],
    clock: str,
    joints: tuple[str, ...] = (),
) -> dict[str, MessageStream]:
    """Streams of some topics by their names.

    Args:
        path: the bag's folder.
        wanted: topics, all of messages that begin with a header.
        images: those of them whose content stays in the bag.
        clock: `header`: header stamps, and the time of recording for a stream that has none; `log`: time of recording.
        joints: of messages of joints, only those that tell all of these count.

    Raises:
        BadBag: a topic has no message, or one of no time.
    """
    kinds = {topic: info.type for topic, info in topics(path).items() if topic in wanted}
    heard = {topic: _Heard() for topic in kinds}
    for number, (topic, time, cdr) in enumerate(messages(path, kinds)):
        if kinds[topic] == JOINT_STATES.type and not names_all(cdr, joints):
            continue  # the arm speaks on the same topic as the gripper
        heard[topic].add(number, time, cdr, topic not in images)
    missing = sorted(topic for topic in wanted if topic not in heard or not heard[topic].logs)
    if missing:
        raise BadBag(f"has no message of {', '.join(missing)}")
    return {topic: heard[topic].stream(topic, kinds[topic], clock) for topic in sorted(wanted)}


@dataclass
class _Heard:
    """What is gathered of a topic, message by message."""

    order: list[int] = field(default_factory=list)
    logs: list[int] = field(default_factory=list)
    headers: list[int] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    frames: set[str] = field(default_factory=set)

    def add(self, number: int, time: int, cdr: bytes, keep: bool) -> None:
        self.order.append(number)
        self.logs.append(time)
        self.headers.append(stamp_of(cdr))
        if keep:
            self.content.append(cdr)
            self.frames.add(frame_of(cdr))

    def stream(self, topic: str, kind: str, clock: str) -> MessageStream:
        if max(self.logs) > LATEST:
            raise BadBag(
                f"{topic} was recorded {max(self.logs) / SECOND:.3g} s after 1970: no time"
            )
        logs, headers = np.array(self.logs, np.int64), np.array(self.headers, np.int64)
        stamped = headers != 0
        goes_by = headers if clock == "header" and stamped.any() else logs
        stream = MessageStream(
            topic,
            kind,
            logs,
            goes_by,
            self.content,
            frozenset(filter(None, self.frames)),
            order=np.array(self.order, np.int64),
        )
        if goes_by is logs or stamped.all():
            return stream
        return stream.only(
            stamped, f"{topic}: {(~stamped).sum()} messages without a stamp are left out"
        )


def without_jumps(streams: Mapping[str, MessageStream], cut: bool) -> dict[str, MessageStream]:
    """The streams of one clock that was not set.

    Args:
        streams: as they were recorded.
        cut: begin behind the last jump of any of them.

    Raises:
        BadBag: a clock was set, and no cut was asked for, or nothing of a stream is left behind it.
    """
    jumps = {n: clock_jumps(s.times, s.logs, s.order) for n, s in streams.items()}
    found = [(jump, name) for name, own in jumps.items() for jump in own]
    if not found:
        return dict(streams)
    if not cut:
        first, name = min(found, key=lambda pair: pair[0].order)
        stream = streams[name]
        seconds = int(stream.times[first.number - 1] - stream.times[0]) / SECOND
        raise BadBag(
            f"the stamps of {stream.topic} jump {first} at message {first.number}, after {seconds:.2f} s: the "
            "clock was set, a simulation was reset, or two sources publish. --recorded clock_jump=cut begins after "
            "the last jump; --recorded clock=log goes by the time of recording"
        )
    last, name = max(found, key=lambda pair: pair[0].order)
    rest = {}
    for key, stream in streams.items():
        kept = behind(stream.order, jumps[key], last)
        if not kept.any():
            raise BadBag(f"{stream.topic} has no message after the last jump of the clock, {last}")
        remark = (
            f"{stream.topic}: {(~kept).sum()} messages before the clock jumped {last} are left out"
        )
        rest[key] = stream if kept.all() else stream.only(kept, remark)
    return rest


def check_clocks(streams: Collection[MessageStream], reference: MessageStream) -> None:
    """That the stamps of two computers, or of simulated and real time, are not taken for those of one clock.

    Raises:
        BadBag: they differ.
    """
    if not np.ptp(reference.logs):
        return  # all were recorded at one moment: whoever made the bag did not say when
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
    measured: Collection[MessageStream],
    commands: Collection[MessageStream],
    ageless: Collection[MessageStream],
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
        BadBag: a stream ended early, there is no step, or there are far too many.
    """
    everything = [*measured, *commands, *ageless]
    first, *_, last = sorted(measured, key=lambda stream: stream.last)
    if last.last - first.last > MAX_AGE:
        raise BadBag(
            f"{first.topic} ends {(last.last - first.last) / SECOND:.2f} s before {last.topic}"
        )
    start = max(span[0], *(stream.first for stream in everything))
    end = min(span[1], first.last, *(stream.last + period for stream in commands))
    if end - start > LONGEST:
        raise BadBag(
            f"spans {(end - start) / SECOND:.0f} s by its stamps, and an episode has at most {LONGEST // SECOND} s. "
            "Cut it into demonstrations, or go by the time of recording: --recorded clock=log"
        )
    if end - start < period:
        zero = min(stream.first for stream in everything)
        spans = ", ".join(
            f"{s.topic} {(s.first - zero) / SECOND:.2f} to {(s.last - zero) / SECOND:.2f} s"
            for s in everything
        )
        raise BadBag(f"has no control step in which all its streams run: {spans}")
    return np.arange(start, end + 1, period, dtype=np.int64)
