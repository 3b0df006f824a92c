# SPDX-License-Identifier: Apache-2.0
"""TFRecord files and tf.train.Example messages, written and read without TensorFlow.

A record is `u64 length | u32 masked crc32c of the length | data | u32 masked crc32c of the data`, little-endian. An
Example is a protobuf map from names to lists of bytes, floats or int64; maps are written with their keys sorted, so
the same content always gives the same bytes. Formats: tensorflow/core/lib/io/record_writer.h and
tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np

from rldg_core.user_error import UserError

Values = Sequence[bytes] | np.ndarray
"""One feature: bytes, or a 1-D array of float32 or int64."""

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
VARINT, LENGTH_DELIMITED, FIXED32 = 0, 2, 5
BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3
WORD = 1 << 64
VARINT_BYTES = 10
"""that a number may have; longer ones would cost the square of their length"""


class DamagedRecord(UserError, ValueError):
    """A file is cut off or its checksums do not fit; the message names file and place."""


@dataclass(slots=True)
class Serialised:
    """Bytes whose number is known before they are there: images of a long episode pass through one by one."""

    length: int
    pieces: Iterable[bytes]
    """to be taken once"""

    @classmethod
    def of(cls, data: bytes) -> Serialised:
        """What is there already."""
        return cls(len(data), [data])

    @classmethod
    def joined(cls, parts: list[Serialised]) -> Serialised:
        """One after another."""
        return cls(sum(p.length for p in parts), chain.from_iterable(p.pieces for p in parts))

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


def masked_crc(data: bytes) -> int:
    """crc32c as TFRecord wants it."""
    return _masked(google_crc32c.value(data))


def _masked(crc: int) -> int:
    """Rotated and shifted, so that a crc of a crc is no weak one."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def write_record(stream: BinaryIO, data: Serialised) -> None:
    """Append one record."""
    length = struct.pack("<Q", data.length)
    stream.write(length + FOOTER.pack(masked_crc(length)))
    crc = 0
    for piece in data.pieces:
        stream.write(piece)
        crc = google_crc32c.extend(crc, piece)
    stream.write(FOOTER.pack(_masked(crc)))


def read_records(path: Path) -> Iterator[bytes]:
    """Every record of a file, checked.

    Raises:
        DamagedRecord: cut off, or a checksum that does not fit.
    """
    for _, data in placed_records(path):
        yield data


def placed_records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every record of a file with its place in it [bytes], checked.

    Raises:
        DamagedRecord: cut off, or a checksum that does not fit.
    """
    with _opened(path) as stream:
        for offset, length, crc in _frames(stream, path):
            stream.seek(offset)
            data = stream.read(length)
            if masked_crc(data) != crc:
                raise DamagedRecord(f"{path}: the record at byte {offset} has a wrong checksum")
            yield offset, data


def checksums(path: Path) -> list[tuple[int, int]]:
    """Length and stored checksum of every record, without reading the records.

    Raises:
        DamagedRecord: cut off, or a length whose checksum does not fit.
    """
    with _opened(path) as stream:
        return [(length, crc) for _, length, crc in _frames(stream, path)]


def _opened(path: Path) -> BinaryIO:
    if path.exists() and not path.is_file():
        raise DamagedRecord(f"{path} is no file")  # a pipe would be waited for
    return path.open("rb")


def _frames(stream: BinaryIO, path: Path) -> Iterator[tuple[int, int, int]]:
    """Offset, length and stored checksum of the data of every record."""
    size = path.stat().st_size
    position = 0
    while position < size:
        stream.seek(position)
        header = stream.read(HEADER.size)
        if len(header) < HEADER.size:
            raise DamagedRecord(f"{path}: cut off at byte {position}")
        length, crc = HEADER.unpack(header)
        if masked_crc(header[:8]) != crc:
            raise DamagedRecord(f"{path}: no record begins at byte {position}")
        start = position + HEADER.size
        position = start + length + FOOTER.size
        if position > size:
            raise DamagedRecord(f"{path}: the record at byte {start} is cut off")
        stream.seek(start + length)
        yield start, length, FOOTER.unpack(stream.read(FOOTER.size))[0]


def encode_example(features: Mapping[str, Values]) -> Serialised:
    """A tf.train.Example; lists of bytes are gone through twice, first for their lengths.

    Raises:
        TypeError: an array that is neither float32 nor int64.
    """
    entries = []
    for name in sorted(features):
        key = _field(1, Serialised.of(name.encode()))
        value = _field(2, _encode_feature(name, features[name]))
        entries.append(_field(1, Serialised.joined([key, value])))
    return _field(1, Serialised.joined(entries))


def _encode_feature(name: str, values: Values) -> Serialised:
    if not isinstance(values, np.ndarray):
        return _field(BYTES_LIST, _strings(values))
    if values.dtype == np.float32:
        packed = values.astype("<f4", copy=False).tobytes()
        return _field(FLOAT_LIST, _packed(packed))
    if values.dtype == np.int64:
        return _field(INT64_LIST, _packed(_varints(values)))
    raise TypeError(f"feature {name} is {values.dtype}; an Example holds bytes, float32 or int64")


def _packed(numbers: bytes) -> Serialised:
    return _field(1, Serialised.of(numbers)) if numbers else Serialised.of(b"")


def _strings(values: Sequence[bytes]) -> Serialised:
    lengths = [len(value) for value in values]
    heads = [_head(1, length) for length in lengths]
    length = sum(map(len, heads)) + sum(lengths)
    return Serialised(length, chain.from_iterable(zip(heads, values, strict=True)))


def _field(number: int, content: Serialised) -> Serialised:
    return Serialised.joined([Serialised.of(_head(number, content.length)), content])


def _head(number: int, length: int) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(length)


def _varints(values: np.ndarray) -> bytes:
    if ((values >= 0) & (values < 0x80)).all():
        return values.astype(np.uint8).tobytes()  # flags and small numbers are their own varints
    return b"".join(_varint(value % WORD) for value in values.tolist())


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_example(data: bytes) -> dict[str, Values]:
    """The features of a serialised tf.train.Example, packed or not.

    Raises:
        ValueError: not an Example.
    """
    features: dict[str, Values] = {}
    view = memoryview(data)
    for _, _, content in _fields(view):
        for _, _, entry in _fields(content):
            parts = {number: part for number, _, part in _fields(entry)}
            features[_name(parts.get(1, view[:0]))] = _decode_feature(parts.get(2, view[:0]))
    return features


def bytes_spans(data: bytes) -> dict[str, list[tuple[int, int]]]:
    """Start and length in a serialised tf.train.Example of every value of its bytes features.

    Raises:
        ValueError: not an Example.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    view = memoryview(data)
    for _, _, start, stop in _places(view, 0, len(view)):
        for _, _, entry, end in _places(view, start, stop):
            parts = {number: span for number, _, *span in _places(view, entry, end)}
            name = _name(view[slice(*parts.get(1, (0, 0)))])
            for kind, _, begin, close in _places(view, *parts.get(2, (0, 0))):
                if kind == BYTES_LIST:
                    found[name] = [(a, b - a) for _, _, a, b in _places(view, begin, close)]
    return found


def _name(data: memoryview) -> str:
    return bytes(data).decode()


def _decode_feature(data: memoryview) -> Values:
    for kind, _, content in _fields(data):
        if kind == BYTES_LIST:
            return [bytes(value) for _, _, value in _fields(content)]
        if kind == FLOAT_LIST:
            parts = [bytes(value) for _, _, value in _fields(content)]
            return np.frombuffer(b"".join(parts), "<f4").astype(np.float32)
        if kind == INT64_LIST:
            return np.array(list(_integers(content)), np.int64)
    return []


def _integers(content: memoryview) -> Iterator[int]:
    for _, _, value in _fields(content):
        position = 0
        while position < len(value):
            number, position = _read_varint(value, position)
            number %= WORD
            yield number - WORD if number >= WORD >> 1 else number


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Number, wire type and content of every field of a message; of a varint, its own bytes."""
    for number, wire, start, stop in _places(data, 0, len(data)):
        yield number, wire, data[start:stop]


def _places(data: memoryview, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and stop of the content of every field of the message in data[position:end]."""
    while position < end:
        key, position = _read_varint(data, position)
        wire = key & 7
        start = position
        if wire == VARINT:
            _, position = _read_varint(data, position)
        elif wire == LENGTH_DELIMITED:
            length, start = _read_varint(data, position)
            position = start + length
        elif wire == FIXED32:
            position += 4
        else:
            raise ValueError(f"not a tf.train.Example: wire type {wire}")
        if position > end:
            raise ValueError("not a tf.train.Example: a field is longer than its message")
        yield key >> 3, wire, start, position


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    for _ in range(min(VARINT_BYTES, len(data) - position)):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("not a tf.train.Example: a number is cut off or too long")
