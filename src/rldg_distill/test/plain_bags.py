# SPDX-License-Identifier: Apache-2.0
"""Bags as a plain `ros2 bag record` leaves them: every topic at a rate of its own, of an arm whose motion is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from synthetic_bags import SIZE, START, header, message, path_of, picture, pose_message

from rldg_core import contract
from rldg_core.bags.bag_reader import custom_data, raw_messages, typestore
from rldg_core.message_values import SECOND
from rldg_core.poses import Pose

IMAGE, JOY, POSE = contract.WRIST_IMAGE, contract.SPACENAV_JOY, contract.CURRENT_POSE
COMPRESSED = "sensor_msgs/msg/CompressedImage"
KNOTS = 80  # of the walk, a tenth of a second apart
Fields = dict[str, Any]


@dataclass
class Stream:
    """A topic's messages by their stamps."""

    type: str
    messages: dict[int, Fields]
    delay: int = 2_000_000
    """[ns] from stamp to recording"""
    stamped: bool = True
    """else the header says 0"""
    frame: str = ""
    headers: dict[int, int] = field(default_factory=dict)
    """what the headers say where that is not the stamp, by the stamp"""


@dataclass
class Plain:
    """What a bag will hold."""

    streams: dict[str, Stream]
    custom: dict[str, str] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)
    """topics of streams that speak on one which is not their own, by their names"""
    set_back: tuple[int, int] = (2**62, 0)
    """[ns] from which moment on the recorder's clock is how far behind"""

    def stamps(self, topic: contract.Topic) -> list[int]:
        return sorted(self.streams[topic.name].messages)

    def rename(self, topic: contract.Topic, name: str) -> None:
        self.streams[name] = self.streams.pop(topic.name)

    def keep(self, topic: contract.Topic, start: float, end: float) -> None:
        """Only what a stream says between two moments [s]."""
        span = (START + start * SECOND, START + end * SECOND)
        stream = self.streams[topic.name]
        stream.messages = {s: m for s, m in stream.messages.items() if span[0] <= s < span[1]}

    def write(
        self,
        path: Path,
        plugin: StoragePlugin = StoragePlugin.MCAP,
        mode: CompressionMode = CompressionMode.NONE,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = Writer(path, version=9, storage_plugin=plugin)
        if mode is not CompressionMode.NONE:
            writer.set_compression(mode, CompressionFormat.ZSTD)
        with writer:
            rows = []
            places: dict[str, Any] = {}
            for name, stream in self.streams.items():
                topic = self.joined.get(name, name)
                if topic not in places:
                    places[topic] = writer.add_connection(
                        f"/{topic}", stream.type, typestore=typestore()
                    )
                place = places[topic]
                for stamp, values in stream.messages.items():
                    about = header(
                        stream.headers.get(stamp, stamp) if stream.stamped else 0, stream.frame
                    )
                    content = message(stream.type, header=about, **values)
                    cdr = bytes(typestore().serialize_cdr(content, stream.type))
                    rows.append((stamp + stream.delay, topic, place, cdr))
            for time, _, place, cdr in sorted(rows, key=lambda row: row[:2]):
                writer.write(
                    place, time - (self.set_back[1] if time >= self.set_back[0] else 0), cdr
                )
            for name, value in self.custom.items():
                writer.set_custom_data(name, value)
        return path


def stamps(rate: float, seconds: float, seed: int, jitter: float, start: float) -> list[int]:
    """Stamps [ns] of a stream that begins `start` s late; every one is off by up to `jitter` of an interval."""
    random = np.random.default_rng(seed)
    moments = np.arange(start, seconds, 1.0 / rate)
    moments[1:-1] += random.uniform(-jitter, jitter, len(moments) - 2) / rate
    return [START + int(moment * SECOND) for moment in moments]


def position(stamp: int, seed: int = 0) -> np.ndarray:
    """(2,) m: the jerky walk, a knot every 0.1 s."""
    knots = path_of(seed, KNOTS)
    tenths = (stamp - START) / (SECOND / 10)
    return np.array([np.interp(tenths, np.arange(len(knots)), knots[:, i]) for i in range(2)])


def pose(stamp: int, seed: int = 0) -> Pose:
    t = (stamp - START) / SECOND
    return Pose.from_rotvec(
        [*position(stamp, seed), 0.2 + 0.01 * t], [0.1 * t, 0.0, 0.3 * np.sin(2.0 * t)]
    )


def view(stamp: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 of the camera, with its noise: no two frames are equal."""
    noise = np.random.default_rng(stamp).integers(0, 4, (SIZE, SIZE, 3), np.uint8)
    return np.minimum(picture(position(stamp, seed)), 250) + noise


def deflection(stamp: int) -> np.ndarray:
    """(6,) float32 of the SpaceMouse."""
    t = (stamp - START) / SECOND
    return np.float32([np.sin((i + 1) * t) for i in range(6)])


def image(pixels: np.ndarray) -> Fields:
    height, width, channels = pixels.shape
    return {
        "height": height,
        "width": width,
        "step": channels * width,
        "encoding": "rgb8",
        "data": pixels.ravel(),
    }


def demonstration(
    seed: int = 0, seconds: float = 4.0, camera: float = 30.0, jitter: float = 0.2
) -> Plain:
    """Pose at 200 Hz, an image at `camera` Hz, a SpaceMouse at 100 Hz."""
    return Plain(
        {
            POSE.name: Stream(
                POSE.type,
                {
                    s: {"pose": pose_message(pose(s, seed))}
                    for s in stamps(200.0, seconds, seed, jitter, 0.0)
                },
            ),
            IMAGE.name: Stream(
                IMAGE.type,
                {s: image(view(s, seed)) for s in stamps(camera, seconds, seed + 1, jitter, 0.03)},
                delay=20_000_000,
            ),
            JOY.name: Stream(
                JOY.type,
                {
                    s: {"axes": deflection(s)}
                    for s in stamps(100.0, seconds, seed + 2, jitter, 0.01)
                },
            ),
        }
    )


def copy(
    bag: Path,
    out: Path,
    without: Iterable[contract.Topic] = (),
    extra: Path | None = None,
    cut: contract.Topic | None = None,
) -> Path:
    """A bag again as if somebody else had recorded it, without some topics; with `extra` as it is, and with its own;
    with every message of the topic `cut` cut off in the middle.
    """
    dropped = {topic.name for topic in without}
    out.parent.mkdir(parents=True, exist_ok=True)
    with Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        places: dict[str, Any] = {}
        rows = chain(raw_messages(bag), raw_messages(extra) if extra else ())
        for topic, kind, time, cdr in sorted(rows, key=lambda row: row[2]):
            if topic not in dropped:
                if topic not in places:
                    places[topic] = writer.add_connection(f"/{topic}", kind, typestore=typestore())
                half = cut is not None and topic == cut.name
                writer.write(places[topic], time, cdr[: len(cdr) // 2] if half else cdr)
        for name, value in custom_data(bag).items() if extra else ():
            writer.set_custom_data(name, value)
    return out
