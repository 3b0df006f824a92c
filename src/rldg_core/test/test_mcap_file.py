# SPDX-License-Identifier: Apache-2.0
"""Reading MCAP: what the mcap library reads, and of a damaged file all that lies before the damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from rldg_core.bags.mcap_file import messages


def write(path: Path, compression: CompressionType, chunked: bool = True) -> Path:
    """60 messages on two topics, in chunks of a few."""
    random = np.random.default_rng(0)
    with path.open("wb") as stream:
        writer = Writer(stream, 500, compression, use_chunking=chunked)
        writer.start()
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        channels = [writer.register_channel(topic, "cdr", schema) for topic in ("/a", "/b/c")]
        for index in range(60):
            data = random.integers(0, 4, random.integers(0, 200), np.uint8).tobytes()
            writer.add_message(channels[index % 2], index, data, 2 * index)
        writer.add_attachment(0, 0, "notes", "text/plain", b"nothing")
        writer.finish()
    return path


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("compression", list(CompressionType))
def test_the_same_messages_as_the_library(
    compression: CompressionType, chunked: bool, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.mcap", compression, chunked)
    with path.open("rb") as stream:
        expected = [
            (channel.topic.lstrip("/"), schema.name, message.log_time, message.data)
            for schema, channel, message in make_reader(stream).iter_messages(log_time_order=False)
            if schema
        ]
    assert len(expected) == 60
    assert list(messages(path)) == expected


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_cut_gives_what_lies_before_it(compression: CompressionType, tmp_path: Path) -> None:
    whole = write(tmp_path / "x.mcap", compression)
    expected, data = list(messages(whole)), whole.read_bytes()
    cut = tmp_path / "cut.mcap"
    counts = []
    for size in range(0, len(data) + 1, 7):
        cut.write_bytes(data[:size])
        found = list(messages(cut))
        assert found == expected[: len(found)]
        counts.append(len(found))
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 60


@pytest.mark.parametrize("compression", list(CompressionType))
def test_no_damage_is_more_than_an_end(compression: CompressionType, tmp_path: Path) -> None:
    whole = bytearray(write(tmp_path / "x.mcap", compression).read_bytes())
    random = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in random.integers(8, len(whole), 3):
            damaged[place] = random.integers(256)
        (tmp_path / "damaged.mcap").write_bytes(damaged)
        assert len(list(messages(tmp_path / "damaged.mcap"))) <= 60
