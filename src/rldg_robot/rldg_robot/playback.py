# SPDX-License-Identifier: Apache-2.0
"""When to publish what of a bag: messages as they were recorded, and a clock that runs between them.

The clock tells the time of recording (MCAP's log time), as that of `ros2 bag play`. In a bag of ours that is ROS time,
the clock of the header stamps too, however fast or slow the world ran then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader

from rldg_robot.bag_reader import is_complete, raw_messages
from rldg_robot.contract import TOPICS, Topic
from rldg_robot.message_values import SECOND

CLOCK_PERIOD = 0.01
"""[s] of wall time between two words of the clock, where no message comes sooner"""
NOT_PLAYED = ("clock", "parameter_events", "rosout")
"""what ROS itself publishes in every graph, and the clock, which is the playback's own"""
FOREIGN_DEPTH = 10


@dataclass(frozen=True)
class Cue:
    """Something to publish."""

    wall: float
    """[s] of wall time since the bag began"""
    time: int
    """[ns] what the clock says by then"""
    topic: str = ""
    """of the message, without the leading slash; empty: the clock's turn"""
    cdr: bytes = b""
    """the message, serialised"""


def cues(messages: Iterable[tuple[str, str, int, bytes]], rate: float) -> Iterator[Cue]:
    """The cues of a bag in order; the clock has always said a message's time before it comes.

    Args:
        messages: topic, type, time [ns] and CDR bytes, as `bag_reader.raw_messages` gives them.
        rate: speed in multiples of real time.
    """
    start = now = None
    ticks, tick = 0, rate * CLOCK_PERIOD * SECOND
    for topic, _, recorded, cdr in messages:
        if start is None or now is None:
            start = now = recorded
            yield Cue(0.0, now)
        time = max(recorded, now)  # a clock never runs back within a bag
        while (between := start + int((ticks + 1) * tick)) < time:
            ticks += 1
            if between > now:
                yield Cue(ticks * CLOCK_PERIOD, between)
        wall = (time - start) / SECOND / rate
        if time > now:
            yield Cue(wall, time)
        yield Cue(wall, time, topic, cdr)
        now = time


def topics_of(bag: Path) -> list[Topic]:
    """Every topic that is played of a bag: those of the contract as the contract has them, others as recorded.

    Raises:
        rosbags.rosbag2.ReaderError: the bag is damaged.
    """
    found = _offered(bag) if is_complete(bag) else _seen(bag)
    return [
        replace(TOPICS[topic.name], type=topic.type) if topic.name in TOPICS else topic
        for topic in found
        if topic.name not in NOT_PLAYED
    ]


def _offered(bag: Path) -> list[Topic]:
    with Reader(bag) as reader:
        return [
            Topic(
                connection.topic.lstrip("/"),
                connection.msgtype,
                reliable=all(q.reliability is not QosReliability.BEST_EFFORT for q in offers),
                depth=max([q.depth for q in offers] + [FOREIGN_DEPTH]),
                latched=any(q.durability is QosDurability.TRANSIENT_LOCAL for q in offers),
            )
            for connection in reader.connections
            for offers in [connection.ext.offered_qos_profiles]
        ]


def _seen(bag: Path) -> list[Topic]:
    """A bag that was never closed has no index: all of it is looked through."""
    types = {topic: kind for topic, kind, _, _ in raw_messages(bag)}
    return [Topic(topic, kind, depth=FOREIGN_DEPTH) for topic, kind in types.items()]
