# SPDX-License-Identifier: Apache-2.0
"""The messages of an MCAP file from front to back, as far as it is whole.

The mcap library reads channels and chunks. Going from record to record is done here: bags have a chunk and a dozen
index records per control step, which its own sequential reader takes apart on the way, at more than twice the price.
Format: mcap.dev/spec, version 0.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Schema
from mcap.stream_reader import MAGIC_SIZE, get_chunk_data_stream
from zstandard import ZstdError

RECORD = struct.Struct("<BQ")
"""opcode and length"""
MESSAGE = struct.Struct("<HIQQ")
"""channel, sequence, log time and publish time in front of the data"""
DAMAGE = (
    *(EOFError, KeyError, MemoryError, OverflowError, RuntimeError, ValueError),
    *(McapError, ZstdError, struct.error),
)
"""what the place looks like where a kill, a full disk or a flipped bit ended the file; lz4 raises RuntimeError"""


def messages(
    file: Path, topics: Collection[str] | None = None
) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic (without the leading slash), type, log time [ns] and data of every message, in file order.

    A file that ends in the middle gives all that lies before the end.

    Args:
        file: the file.
        topics: of these alone; None: of all.
    """
    kinds: dict[int, str] = {}
    channels: dict[int, tuple[str, str] | None] = {}
    try:
        with file.open("rb") as stream:
            for opcode, content in _records(stream):
                if opcode == Opcode.MESSAGE:
                    number, _, time, _ = MESSAGE.unpack_from(content)
                    if about := channels[number]:
                        yield *about, time, content[MESSAGE.size :]
                elif opcode == Opcode.CHANNEL:
                    channel = Channel.read(ReadDataStream(BytesIO(content)))
                    topic = channel.topic.lstrip("/")
                    wanted = topics is None or topic in topics
                    channels[channel.id] = (topic, kinds[channel.schema_id]) if wanted else None
                elif opcode == Opcode.SCHEMA:
                    schema = Schema.read(ReadDataStream(BytesIO(content)))
                    kinds[schema.id] = schema.name
    except DAMAGE:
        return


def _records(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of every record of the data section, those inside of chunks included."""
    size = os.fstat(stream.fileno()).st_size
    stream.seek(MAGIC_SIZE)
    while True:
        opcode, length = RECORD.unpack(stream.read(RECORD.size))
        if opcode == Opcode.DATA_END or length > size - stream.tell():
            return
        content = stream.read(length)
        if opcode == Opcode.CHUNK:
            chunk = Chunk.read(ReadDataStream(BytesIO(content)))
            data, length = get_chunk_data_stream(chunk, validate_crc=True)  # where it has one
            yield from _records_of_chunk(data.read(length))
        else:
            yield opcode, content


def _records_of_chunk(data: bytes) -> Iterator[tuple[int, bytes]]:
    end = 0
    while end < len(data):
        opcode, length = RECORD.unpack_from(data, end)
        begin = end + RECORD.size
        end = begin + length
        if end > len(data):
            raise EOFError("a record reaches beyond its chunk")
        yield opcode, data[begin:end]
