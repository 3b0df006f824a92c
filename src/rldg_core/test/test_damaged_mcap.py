# SPDX-License-Identifier: Apache-2.0
"""MCAP files of somebody else's: damaged, indexed badly, or made to cost memory and time."""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections import Counter
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard
from mcap.writer import CompressionType
from random_damage import randomly_damaged
from test_mcap_file import write

from rldg_core.bags import mcap_file
from rldg_core.bags.mcap_file import (
    CHANNEL,
    CHUNK,
    CHUNK_HEAD,
    DATA_END,
    FOOTER,
    MAGIC,
    MESSAGE,
    RECORD,
    SCHEMA,
    Account,
    messages,
    summary,
)
from rldg_core.files.unpacking import MAX_PART, CannotUnpack, unpack, unpack_file, unpack_message


def record(opcode: int, content: bytes) -> bytes:
    return RECORD.pack(opcode, len(content)) + content


def text(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def chunk(data: bytes, compression: bytes = b"", size: int | None = None, crc: int = 0) -> bytes:
    head = CHUNK_HEAD.pack(0, 9, len(data) if size is None else size, crc, len(compression))
    return record(CHUNK, head + compression + struct.pack("<Q", len(data)) + data)


def message(channel: int, data: bytes = b"x") -> bytes:
    return record(MESSAGE, struct.pack("<HIQQ", channel, 0, 1, 1) + data)


DEFINITIONS = record(SCHEMA, struct.pack("<H", 1) + text(b"a/msg/A") + text(b"") + text(b"")) + (
    record(CHANNEL, struct.pack("<HH", 1, 1) + text(b"/a") + text(b"cdr") + text(b""))
)
END = record(DATA_END, bytes(4)) + record(FOOTER, bytes(20)) + MAGIC


def file_of(tmp_path: Path, *parts: bytes, end: bytes = END) -> Path:
    path = tmp_path / "x.mcap"
    path.write_bytes(MAGIC + record(1, text(b"ros2") + text(b"x")) + b"".join(parts) + end)
    return path


def chunk_places(data: bytes) -> list[int]:
    places, place = [], len(MAGIC)
    while data[place] != DATA_END:
        opcode, length = RECORD.unpack_from(data, place)
        places += [place] if opcode == CHUNK else []
        place += RECORD.size + length
    return places


def test_records_outside_of_chunks_and_chunks_without_an_index_are_read(tmp_path: Path) -> None:
    path = file_of(tmp_path, DEFINITIONS, chunk(message(1)), message(1), chunk(message(1)))
    account = Account()
    assert len(list(messages(path, account=account))) == 3
    assert account == Account(Counter({"a": 3}))


@pytest.mark.parametrize("place", [0, 1, 2, 3, 5, 8, 25, 33, 37, 41, 45, 60, 80])
@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_flipped_byte_costs_one_chunk_and_is_reported(
    compression: CompressionType, place: int, tmp_path: Path
) -> None:
    whole = write(tmp_path / "x.mcap", compression)
    expected, data = list(messages(whole)), bytearray(whole.read_bytes())
    second = chunk_places(data)[1]
    data[second + place] ^= 0xFF
    whole.write_bytes(data)
    account = Account()
    found = list(messages(whole, account=account))
    rest = iter(expected)
    assert all(row in rest for row in found), "in order, and none that was never there"
    assert len(expected) - len(found) <= 6
    assert (
        len(found) == len(expected)
        or account.damage
        or summary(whole).counts_by_topic != account.read
    )
    assert not account.torn


def test_what_the_first_chunk_named_is_known_from_the_end_or_from_outside(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mcap", CompressionType.ZSTD)
    data = bytearray(path.read_bytes())
    data[chunk_places(data)[0] + 60] ^= 0xFF
    path.write_bytes(data)
    assert {topic for topic, *_ in messages(path)} == {"a", "b/c"}
    nameless = file_of(tmp_path, message(7), message(7))
    account = Account()
    assert list(messages(nameless, account=account)) == []
    assert account.damage == ["2 messages of topics that it does not name"]
    assert len(list(messages(nameless, known={7: ("b", "b/msg/B")}))) == 2


def test_records_of_somebody_elses_are_passed_over(tmp_path: Path) -> None:
    private = record(0x90, b"secret" * 100)
    attachment = record(0x09, bytes(5000))
    path = file_of(tmp_path, private, DEFINITIONS, attachment, chunk(message(1) + private))
    account = Account()
    assert len(list(messages(path, account=account))) == 1
    assert not account.damage and not account.torn


@pytest.mark.parametrize(
    "part",
    [
        chunk(zstandard.compress(bytes(200 << 20)), b"zstd", 5),
        chunk(zstandard.compress(bytes(300 << 20)), b"zstd", 300 << 20),
        chunk(lz4.frame.compress(bytes(200 << 20)), b"lz4", 5),
        chunk(b"", b"", 1 << 62),
        chunk(b"\x28\xb5\x2f\xfd" + b"\xff" * 50, b"zstd", 100),
        chunk(message(1), b"", crc=zlib.crc32(b"something else")),
        chunk(b"abc", b"rar!", 3),
        record(CHUNK, b""),
        RECORD.pack(CHUNK, 1 << 40),
        RECORD.pack(MESSAGE, 2**64 - 1),
        record(SCHEMA, struct.pack("<HI", 2, 2**32 - 1)),
        record(CHANNEL, struct.pack("<HHI", 2, 1, 2**31)),
        record(CHANNEL, struct.pack("<HH", 2, 1) + text(b"\xff\xfe") + text(b"") + text(b"")),
        record(7, struct.pack("<HI", 1, 2**32 - 2)),
        bytes(10_000),
        b"\x06" * 10_000,
    ],
)
def test_hostile_records_cost_nothing_but_themselves(tmp_path: Path, part: bytes) -> None:
    path = file_of(tmp_path, DEFINITIONS, chunk(message(1)), part, chunk(message(1, b"last")))
    account = Account()
    begin = time.monotonic()
    found = [data for *_, data in messages(path, account=account)]
    assert found == [b"x", b"last"] and account.damage
    assert time.monotonic() - begin < 5.0


def random_bytes(count: int) -> bytes:
    return np.random.default_rng(0).bytes(count)


def test_declared_sizes_are_checked_before_and_after() -> None:
    unknown = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    with pytest.raises(CannotUnpack):
        unpack(unknown, "zstd", 1000)
    with pytest.raises(CannotUnpack, match="256 MiB are read"):
        unpack(b"", "zstd", MAX_PART + 1)
    with pytest.raises(CannotUnpack):
        unpack(zstandard.compress(b"abc"), "zstd", 4)
    assert unpack(unknown, "zstd", 1 << 20) == bytes(1 << 20)
    assert unpack_message(unknown) == bytes(1 << 20)
    with pytest.raises(CannotUnpack, match="more than 256 MiB"):
        unpack_message(zstandard.compress(bytes(MAX_PART + 1)))
    with pytest.raises(CannotUnpack, match="cut off"):
        unpack_message(zstandard.compress(random_bytes(1000))[:500])


def test_many_chunks_that_unpack_to_far_more_than_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rldg_core.files.unpacking.SMALL_FILE", 1 << 20)
    data = message(1) * 20_000
    part = chunk(zstandard.compress(data), b"zstd", len(data))
    account, count = Account(), 0
    for _ in messages(file_of(tmp_path, DEFINITIONS, *[part] * 200), account=account):
        count += 1
    assert count < 200 * 20_000 and "more than 1000 times its size" in account.damage[0]


def test_a_file_that_unpacks_to_far_more_than_it_is_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rldg_core.files.unpacking.SMALL_FILE", 1 << 20)
    (tmp_path / "small").write_bytes(zstandard.compress(bytes(1000)) * 2)
    unpack_file(tmp_path / "small", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == bytes(2000)
    (tmp_path / "bomb").write_bytes(zstandard.compress(bytes(64 << 20)))
    with pytest.raises(CannotUnpack, match="unpack it by hand"):
        unpack_file(tmp_path / "bomb", tmp_path / "out")
    assert (tmp_path / "out").stat().st_size <= 4 << 20
    (tmp_path / "bad").write_bytes(b"\x28\xb5\x2f\xfd" + b"\xff" * 100)
    with pytest.raises(CannotUnpack, match="bad cannot be unpacked"):
        unpack_file(tmp_path / "bad", tmp_path / "out")


def test_only_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mcap")
    (tmp_path / "folder.mcap").mkdir()
    (tmp_path / "device.mcap").symlink_to("/dev/zero")
    (tmp_path / "loop.mcap").symlink_to("loop.mcap")
    for file in tmp_path.iterdir():
        for read in (lambda f: list(messages(f)), summary, mcap_file.channels):
            with pytest.raises(OSError, match=r"regular|symbolic|directory"):
                read(file)


def test_any_damage_ends_in_time_and_gives_nothing_twice(tmp_path: Path) -> None:
    """Flips, cuts and insertions of all kinds, in files of all kinds."""
    random = np.random.default_rng(19)
    for compression in CompressionType:
        for chunked in (True, False):
            path = write(tmp_path / "x.mcap", compression, chunked)
            data = path.read_bytes()
            for turn in range(60):
                path.write_bytes(randomly_damaged(data, random, turn))
                assert len(list(messages(path))) <= 60
                mcap_file.channels(path)
                about = summary(path)
                if about:
                    assert about.counts_by_topic.total() >= 0
                mcap_file.kept_metadata(path)
