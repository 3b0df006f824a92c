# SPDX-License-Identifier: Apache-2.0
"""When to publish what of a bag: messages as they were recorded, and a clock that runs between them.

The clock tells the time of recording (MCAP's log time), as that of `ros2 bag play`. In a bag of ours that is ROS time,
the clock of the header stamps too, however fast or slow the world ran then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rldg_core.bags.bag_reader import bag_files
from rldg_core.bags.mcap_file import Channel, channels, summary
from rldg_core.contract import TOPICS, Topic
from rldg_core.files.checked_file import FormatError, parse_yaml
from rldg_core.message_values import SECOND

CLOCK_PERIOD = 0.01
"""[s] of wall time between two words of the clock, where no message comes sooner"""
NOT_PLAYED = ("clock", "parameter_events", "rosout")
"""what ROS itself publishes in every graph, and the clock, which is the playback's own"""
FOREIGN_DEPTH, MAX_DEPTH = 10, 1000
BEST_EFFORT, TRANSIENT_LOCAL = (2, "2", "best_effort"), (1, "1", "transient_local")
"""as rosbag2 writes them: numbers up to version 8, then words"""


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


@dataclass(frozen=True)
class Offer:
    """What counts of the QoS of a publisher."""

    reliability: int | str = ""
    durability: int | str = ""
    depth: int = 0


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
        FileNotFoundError: it holds no file.
    """
    found = {c.topic: c for file in bag_files(bag) for c in _channels(file)}
    return [
        replace(TOPICS[name], type=channel.type) if name in TOPICS else _offered(channel)
        for name, channel in found.items()
        if name not in NOT_PLAYED
    ]


def _channels(file: Path) -> Collection[Channel]:
    """A file that was never closed has no index: all of it is looked through."""
    about = summary(file)
    return (about.channels if about and about.channels else channels(file)).values()


def _offered(channel: Channel) -> Topic:
    """A topic with the QoS of its publishers, as far as the file tells it."""
    offers = _offers(channel.metadata.get("offered_qos_profiles", ""))
    return Topic(
        channel.topic,
        channel.type,
        reliable=all(offer.reliability not in BEST_EFFORT for offer in offers),
        depth=max([min(offer.depth, MAX_DEPTH) for offer in offers] + [FOREIGN_DEPTH]),
        latched=any(offer.durability in TRANSIENT_LOCAL for offer in offers),
    )


def _offers(text: str) -> list[Offer]:
    """Those that cannot be read count as none."""
    try:
        return parse_yaml(text, list[Offer], "offered_qos_profiles") if text else []
    except FormatError:
        return []
