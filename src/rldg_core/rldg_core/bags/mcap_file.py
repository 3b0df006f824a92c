# SPDX-License-Identifier: Apache-2.0
"""The messages of an MCAP file from front to back, as far as it is whole, and what the file says of itself.

A file that ends in the middle gives all that lies before the end; a chunk that is damaged is skipped, and reading goes
on with the next. Sizes that a file declares are checked before anything is allocated. An index is not needed and not
believed: it may lack messages that are there.

The mcap library is not used: bags have a chunk and a dozen index records per control step, which its sequential reader
takes apart on the way, at more than twice the price. Format: mcap.dev/spec, version 0.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rldg_core.files.regular_file import open_regular
from rldg_core.files.unpacking import MAX_PART, MAX_RATIO, CannotUnpack, most_of, unpack

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = range(1, 8)
ATTACHMENT, STATISTICS, METADATA, METADATA_INDEX, DATA_END = 0x09, 0x0B, 0x0C, 0x0D, 0x0F
ROS2MSG = "ros2msg"
"""encoding of definitions in the language of .msg files"""
PRIVATE = 0x80
"""opcodes from here on are somebody's own, and passed over"""
PASSED_OVER = (HEADER, ATTACHMENT, METADATA)
RECORD = struct.Struct("<BQ")
"""opcode and length"""
MESSAGE_HEAD = struct.Struct("<HIQQ")
"""channel, sequence, log time and publish time in front of the data"""
CHUNK_HEAD = struct.Struct("<QQQII")
"""first and last log time, unpacked size, CRC (0: none), length of the compression's name"""
CHANNEL_HEAD = struct.Struct("<HH")
FOOTER_SIZE = RECORD.size + 20 + len(MAGIC)
FOOTER_HEAD = RECORD.pack(FOOTER, 20)
STATISTICS_HEAD = struct.Struct("<QHIIIIQQ")
A_CHUNK = re.compile(
    rb"(?=\x06.{5}\x00{3}.{28}(?:\x04\x00{3}zstd|\x03\x00{3}lz4|\x00{4}))", re.DOTALL
)
MAX_SUMMARY = 256 << 20
MAX_METADATA = 16 << 20
MAX_SEARCH = 1 << 30
"""[bytes] in which the next chunk is searched behind damage"""
BLOCK = 4 << 20
DAMAGE = (CannotUnpack, EOFError, LookupError, UnicodeDecodeError, struct.error)
"""what the place looks like where a kill, a full disk or a flipped bit left its mark"""


@dataclass(frozen=True)
class Channel:
    """What its messages are."""

    topic: str
    """without the leading slash"""
    type: str
    encoding: str
    """of the messages; `cdr` in ROS 2"""
    metadata: dict[str, str]
    definition: str = ""
    """text of the type and of every type in it (`ros2msg`); empty where the file has none"""


Form = Callable[[bytes], bytes]
"""makes of a message as it was recorded what is read of it"""


@dataclass
class Account:
    """What became of a file while it was read."""

    read: Counter[str] = field(default_factory=Counter)
    """number of messages by topic, also of topics that were not asked for"""
    damage: list[str] = field(default_factory=list)
    """what was skipped, and where"""
    torn: bool = False
    """it ends in the middle of a record, or without an end"""


@dataclass(frozen=True)
class McapSummary:
    """What a file that was closed says of itself at its end."""

    channels: dict[int, Channel]
    counts: dict[int, int] | None
    """messages by channel; None where it has no statistics"""
    span: tuple[int, int, int]
    """log time [ns] of the first and the last message, and their number"""
    metadata: tuple[int, int] | None
    """place and length of the record in which `ros2 bag` keeps `metadata.yaml` once more"""

    @property
    def counts_by_topic(self) -> Counter[str]:
        """Number of messages by topic."""
        counts_by_topic: Counter[str] = Counter()
        for number, count in (self.counts or {}).items():
            if number in self.channels:
                counts_by_topic[self.channels[number].topic] += count
        return counts_by_topic


def messages(
    file: Path,
    topics: Collection[str] | None = None,
    account: Account | None = None,
    known: Mapping[int, tuple[str, str]] | None = None,
    form: Callable[[Channel], Form | None] | None = None,
) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic (without the leading slash), type, log time [ns] and data of every message, in file order.

    Args:
        file: the file.
        topics: of these alone; None: of all.
        account: is filled in, whole once the last message was taken.
        known: topic and type by channel where the file, damaged, does not name them any more.
        form: of a channel's messages; None, or None of a channel: as they were recorded.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    account = account if account is not None else Account()
    schemas: dict[int, Schema] = {}
    outputs: dict[int, _Output] = {}
    counts: Counter[int] = Counter()
    with open_regular(file) as stream:
        for opcode, content in _records(stream, account):
            try:
                if opcode == MESSAGE:
                    number, _, time, _ = MESSAGE_HEAD.unpack_from(content)
                    if number not in outputs:
                        outputs[number] = _output(_late(file, number, known or {}), topics, form)
                    topic, kind, wanted, recast = outputs[number]
                    counts[number] += 1
                    if wanted:
                        data = content[MESSAGE_HEAD.size :]
                        yield topic, kind, time, recast(data) if recast else data
                elif opcode == CHANNEL:
                    number, channel = _channel(content, schemas)
                    outputs[number] = _output(channel, topics, form)
                elif opcode == SCHEMA:
                    number, schema = _schema(content)
                    schemas[number] = schema
            except DAMAGE as error:
                account.damage.append(f"a record that is damaged ({type(error).__name__})")
    for number, count in counts.items():
        account.read[outputs[number].topic] += count
    if nameless := account.read.pop("", 0):
        account.damage.append(f"{nameless} messages of topics that it does not name")


@dataclass(frozen=True)
class Schema:
    """What a file says of a type."""

    type: str
    definition: str


class _Output(NamedTuple):
    """What becomes of a channel's messages."""

    topic: str
    type: str
    wanted: bool
    form: Form | None


def _output(
    channel: Channel, topics: Collection[str] | None, form: Callable[[Channel], Form | None] | None
) -> _Output:
    wanted = bool(channel.topic) and (topics is None or channel.topic in topics)
    return _Output(channel.topic, channel.type, wanted, form(channel) if form and wanted else None)


def _late(file: Path, number: int, known: Mapping[int, tuple[str, str]]) -> Channel:
    """A channel that was not named before its messages; without a topic where no record names it."""
    about = summary(file)
    if about and number in about.channels:
        return about.channels[number]
    topic, kind = known.get(number, ("", ""))
    return Channel(topic, kind, "", {})


def summary(file: Path) -> McapSummary | None:
    """What stands at the end of a file; None where it was never closed, or that is damaged.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    with open_regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(0, size - FOOTER_SIZE))
        end = stream.read(FOOTER_SIZE)
        if len(end) < FOOTER_SIZE or not (end.startswith(FOOTER_HEAD) and end.endswith(MAGIC)):
            return None
        (start,) = struct.unpack_from("<Q", end, RECORD.size)
        if not 0 < size - FOOTER_SIZE - start <= MAX_SUMMARY or not start:
            return McapSummary({}, None, (0, 0, 0), None) if not start else None
        stream.seek(start)
        data = stream.read(size - FOOTER_SIZE - start)
    try:
        _check_inner(data)
        return _summary(_inner(data))
    except DAMAGE:
        return None


def _summary(records: Iterable[tuple[int, bytes]]) -> McapSummary:
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    counts, span, metadata = None, (0, 0, 0), None
    for opcode, content in records:
        if opcode == SCHEMA:
            number, schema = _schema(content)
            schemas[number] = schema
        elif opcode == CHANNEL:
            number, channel = _channel(content, schemas)
            channels[number] = channel
        elif opcode == STATISTICS:
            count, *_, first, last = STATISTICS_HEAD.unpack_from(content)
            pairs, _ = _sized(content, STATISTICS_HEAD.size)
            counts, span = dict(struct.iter_unpack("<HQ", pairs)), (first, last, count)
        elif opcode == METADATA_INDEX and content[16:] == b"\x07\0\0\0rosbag2":
            metadata = struct.unpack_from("<QQ", content)
    return McapSummary(channels, counts, span, metadata)


def channels(file: Path) -> dict[int, Channel]:
    """Every channel of a file, read from front to back; what is damaged is passed over.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    schemas: dict[int, Schema] = {}
    found: dict[int, Channel] = {}
    with open_regular(file) as stream:
        for opcode, content in _records(stream, Account()):
            try:
                if opcode == CHANNEL:
                    number, channel = _channel(content, schemas)
                    found[number] = channel
                elif opcode == SCHEMA:
                    number, schema = _schema(content)
                    schemas[number] = schema
            except DAMAGE:
                continue
    return found


def kept_metadata(file: Path) -> str | None:
    """The text of `metadata.yaml` that `ros2 bag` keeps in the file itself; None where there is none.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    about = summary(file)
    if about is None or about.metadata is None or about.metadata[1] > MAX_METADATA:
        return None
    with open_regular(file) as stream:
        stream.seek(min(about.metadata[0], os.fstat(stream.fileno()).st_size))
        record = stream.read(about.metadata[1])
    try:
        _, end = _sized(record, RECORD.size)
        pairs, _ = _sized(record, end)
        return _texts(pairs).get("serialized_metadata")
    except DAMAGE:
        return None


def _records(stream: BinaryIO, account: Account) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of every record of the data section, those inside of chunks included."""
    size = os.fstat(stream.fileno()).st_size
    left = most_of(size)
    place = sound = len(MAGIC)  # sound: up to here records vouch for their own lengths
    while True:
        stream.seek(place)
        try:
            opcode, length = RECORD.unpack(stream.read(RECORD.size))
            if opcode == DATA_END and length == 4:
                return
            if opcode >= PRIVATE and _chunk_length(stream) == length:
                opcode = CHUNK  # its first byte is damaged
            content = _content(stream, opcode, length, size - place - RECORD.size)
            data = _chunk(content) if opcode == CHUNK else b""
            _check_inner(data)
        except DAMAGE as error:
            after = _behind(stream, place, sound, size)
            if after is None:
                account.torn = True
                return
            account.damage.append(f"{after - sound} bytes at {sound} ({error})")
            place = sound = after
            continue
        place = stream.tell()
        if opcode in (SCHEMA, CHANNEL, MESSAGE, CHUNK):
            sound = place
            yield from _inner(data) if opcode == CHUNK else [(opcode, content)]
        left -= len(data)
        if left < 0:
            account.damage.append(f"it unpacks to more than {MAX_RATIO} times its size")
            return


def _content(stream: BinaryIO, opcode: int, length: int, left: int) -> bytes:
    """What stands behind a record's head; empty where it is not wanted."""
    if opcode == CHUNK:
        length = _chunk_length(stream) or length
    if length > left:
        raise EOFError("a record reaches beyond the end of the file")
    if opcode in PASSED_OVER or opcode >= PRIVATE:
        stream.seek(length, os.SEEK_CUR)
        return b""
    if not SCHEMA <= opcode <= MESSAGE_INDEX:
        raise EOFError(f"no record begins with {opcode}")
    if length > MAX_PART:
        raise EOFError(f"a record of {length} bytes, of which {MAX_PART >> 20} MiB are read")
    content = stream.read(length)
    if opcode == MESSAGE_INDEX and struct.unpack_from("<I", content, 2)[0] != length - 6:
        raise EOFError("an index that is damaged")
    return content


def _chunk_length(stream: BinaryIO) -> int:
    """As its inside tells it, in case that its head is damaged; 0 where that is damaged too."""
    place = stream.tell()
    head = stream.read(CHUNK_HEAD.size + 16)
    stream.seek(place)
    return _inner_length(head, 0)


def _inner_length(data: bytes, place: int) -> int:
    """[bytes] of a chunk's content, from the sizes in it; 0 where it is none."""
    try:
        first, last, _, _, name = CHUNK_HEAD.unpack_from(data, place)
        end = place + CHUNK_HEAD.size + name
        (packed,) = struct.unpack_from("<Q", data, end)
    except struct.error:
        return 0
    known = data[end - name : end] in (b"", b"lz4", b"zstd")
    return CHUNK_HEAD.size + name + 8 + packed if known and first <= last else 0


def _behind(stream: BinaryIO, place: int, sound: int, size: int) -> int | None:
    """Where to go on after damage at a place: at the next record that can only be a chunk, for its lengths agree."""
    stream.seek(place)
    if length := _is_chunk(stream.read(64), size - place):
        return place + length
    start = max(sound, len(MAGIC))
    for begin in range(start, min(size, start + MAX_SEARCH), BLOCK):
        stream.seek(begin)
        data = stream.read(BLOCK + 64)
        for match in A_CHUNK.finditer(data):
            found = begin + match.start()
            if found < begin + BLOCK and _is_chunk(data[match.start() :][:64], size - found):
                return found
    return None


def _is_chunk(head: bytes, left: int) -> int:
    """Length of the chunk record that begins here; 0 where none does, or where it does not fit."""
    if len(head) < RECORD.size or head[0] != CHUNK:
        return 0
    (_, length) = RECORD.unpack_from(head)
    whole = RECORD.size + length
    return whole if length == _inner_length(head, RECORD.size) and whole <= left else 0


def _chunk(content: bytes) -> bytes:
    """The records of a chunk, unpacked."""
    _, _, size, crc, name = CHUNK_HEAD.unpack_from(content)
    compression, end = _text(content, CHUNK_HEAD.size - 4)
    (packed,) = struct.unpack_from("<Q", content, end)
    begin = end + 8
    if name > 16 or begin + packed > len(content):
        raise EOFError("a chunk that is damaged")
    data = unpack(content[begin : begin + packed], compression, size)
    if crc and zlib.crc32(data) != crc:
        raise EOFError("a chunk whose checksum is wrong")
    return data


def _check_inner(data: bytes) -> None:
    """That a chunk's records are of its length: where one length is wrong, so are the next ones."""
    end, size = 0, len(data)
    while end < size:
        end += RECORD.size + RECORD.unpack_from(data, end)[1]
    if end != size:
        raise EOFError("a record reaches beyond its chunk")


def _inner(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The records of a chunk or of a summary."""
    end, size = 0, len(data)
    while end < size:
        opcode, length = RECORD.unpack_from(data, end)
        begin = end + RECORD.size
        end = begin + length
        yield opcode, data[begin:end]


def _sized(data: bytes, place: int) -> tuple[bytes, int]:
    """What stands behind its length, and where it ends."""
    (length,) = struct.unpack_from("<I", data, place)
    end = place + 4 + length
    if end > len(data):
        raise EOFError("a text reaches beyond its record")
    return data[place + 4 : end], end


def _text(data: bytes, place: int) -> tuple[str, int]:
    found, end = _sized(data, place)
    return found.decode(), end


def _texts(data: bytes) -> dict[str, str]:
    """Names and values."""
    found, end = {}, 0
    while end < len(data):
        name, end = _text(data, end)
        found[name], end = _text(data, end)
    return found


def _schema(content: bytes) -> tuple[int, Schema]:
    (number,) = struct.unpack_from("<H", content)
    kind, end = _text(content, 2)
    encoding, end = _text(content, end)
    definition, _ = _sized(content, end)
    return number, Schema(kind, definition.decode(errors="replace") if encoding == ROS2MSG else "")


def _channel(content: bytes, schemas: Mapping[int, Schema]) -> tuple[int, Channel]:
    number, schema = CHANNEL_HEAD.unpack_from(content)
    topic, end = _text(content, CHANNEL_HEAD.size)
    encoding, end = _text(content, end)
    metadata, _ = _sized(content, end)
    about = schemas.get(schema, Schema("", ""))
    return number, Channel(
        topic.lstrip("/"), about.type, encoding, _texts(metadata), about.definition
    )
