# SPDX-License-Identifier: Apache-2.0
"""Compressed data of somebody else's, unpacked within stated limits: a declared size is checked before and after.

A few kilobytes of zstd can stand for gigabytes of zeros. What a file declares is not believed; how much comes out is
counted.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import lz4.frame
import zstandard

from rldg_core.files.regular_file import open_regular

MAX_PART = 256 << 20
"""[bytes] of one chunk or message, unpacked; recorders write chunks of about a megabyte"""
MAX_RATIO = 1000
"""of a whole file; camera pictures shrink to a half or a third, drawn ones to a hundredth"""
SMALL_FILE = 128 << 20
"""[bytes] that any file may unpack to, whatever its ratio"""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BLOCK = 1 << 20
DAMAGE = (EOFError, MemoryError, RuntimeError, zstandard.ZstdError)
"""what the libraries raise for data that is none of theirs; lz4 a RuntimeError"""


def most_of(size: int) -> int:
    """[bytes] that a file of a size may unpack to."""
    return max(SMALL_FILE, MAX_RATIO * size)


class CannotUnpack(ValueError):
    """Data that is damaged, or that unpacks to more than it may; the message says which."""


def unpack(data: bytes, compression: str, size: int) -> bytes:
    """A chunk's content.

    Args:
        data: as it is stored.
        compression: `zstd`, `lz4`, or nothing.
        size: [bytes] that it declares to unpack to.

    Raises:
        CannotUnpack: it is something else, or larger than `MAX_PART`.
    """
    if size > MAX_PART:
        raise CannotUnpack(f"a chunk of {size} bytes, of which {MAX_PART >> 20} MiB are read")
    try:
        if compression == "zstd":
            found = _zstd(data, size)
        elif compression == "lz4":
            found = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
        elif not compression:
            found = data
        else:
            raise CannotUnpack(f"a chunk packed with {compression[:20]!r}")
    except DAMAGE as error:
        raise CannotUnpack(f"a chunk that cannot be unpacked ({error})") from error
    if len(found) != size:
        raise CannotUnpack(f"a chunk that is not of the {size} bytes that it declares")
    return found


def _zstd(data: bytes, size: int) -> bytes:
    if zstandard.frame_content_size(data) > size:  # the library would believe it
        return b""
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)


def unpack_message(data: bytes) -> bytes:
    """A message that was compressed by itself.

    Raises:
        CannotUnpack: it is damaged, or larger than `MAX_PART`.
    """
    try:
        declared = zstandard.frame_content_size(data)
        with zstandard.ZstdDecompressor().stream_reader(BytesIO(data)) as stream:
            found = stream.read(MAX_PART + 1)
    except DAMAGE as error:
        raise CannotUnpack(f"a message that cannot be unpacked ({error})") from error
    if len(found) > MAX_PART:
        raise CannotUnpack(f"a message of more than {MAX_PART >> 20} MiB")
    if declared >= 0 and len(found) != declared:
        raise CannotUnpack("a message that is cut off")
    return found


def unpack_file(packed: Path, target: Path) -> None:
    """Unpack a `.zstd` file.

    Raises:
        CannotUnpack: it is damaged, cut off, or unpacks to more than `MAX_RATIO` times its size and `SMALL_FILE`.
        OSError: it cannot be read, or there is no room.
    """
    with open_regular(packed) as source, target.open("wb") as out:
        most = most_of(packed.stat().st_size)
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        try:
            while block := reader.read(BLOCK):
                out.write(block)
                if out.tell() > most:
                    raise CannotUnpack(
                        f"{packed.name} unpacks to more than {MAX_RATIO} times its size: if it is sound, "
                        "unpack it by hand (`zstd -d`)"
                    )
        except DAMAGE as error:
            raise CannotUnpack(f"{packed.name} cannot be unpacked ({error})") from error
