# SPDX-License-Identifier: Apache-2.0
"""Compressed pictures as colours: the one way in which a PNG or JPEG from anywhere is opened.

    pixels = decode(data)

Nothing else is ever opened: a library that guesses the format by the content starts a PostScript interpreter for some.
Size and depth are read from the header before anything is decoded, and the picture itself decides what it is: labels of
messages lie. Everything that cannot be used is a `BadPicture`; one that is sound and not of colours is `NotColour`.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from rldg_core.user_error import UserError

MOST_PIXELS = 1 << 24
"""of a picture: twice those of a 4K camera. Its decoded bytes are three times as many, a pipeline's some dozen times"""
PNG = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = PNG + b"\x00\x00\x00\rIHDR"
JPEG = b"\xff\xd8\xff"
DEPTH_CONFIG = 12
"""bytes that a compressedDepth message has before its PNG"""
COLOURS = ("RGB", "RGBA", "L", "LA", "P", "PA")
"""Pillow's modes of 8 bits that are colours or grey; what is transparent is not"""
OTHERS = {
    b"\x00\x00\x00\x01": "H.264 or H.265 video: republish it as raw or compressed images",
    b"\x00\x00\x01": "H.264, H.265 or MPEG video: republish it as raw or compressed images",
    b"%!PS": "PostScript",
    b"%PDF": "PDF",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"RIFF": "WebP or AVI",
}
"""what else is sent as a picture, by its first bytes"""


class BadPicture(UserError, ValueError):
    """A picture that cannot be used; the message says why, on one line."""


class NotColour(BadPicture):
    """A sound picture that is not of colours: distances, infrared, a mask."""


@dataclass(frozen=True)
class Picture:
    """What a compressed picture holds."""

    pixels: np.ndarray
    """(H, W, 3) uint8 RGB"""
    form: str
    """`png` or `jpeg`"""
    plain: bool
    """whether the file itself is RGB: no palette, no alpha, not grey"""


def decode(data: bytes) -> np.ndarray:
    """A PNG or JPEG as (H, W, 3) uint8 RGB; grey becomes three equal channels, transparency is dropped.

    Raises:
        BadPicture: it is none, is damaged, or has more pixels than `MOST_PIXELS`.
        NotColour: it has 16 bits, or one.
    """
    return read(data).pixels


def read(data: bytes) -> Picture:
    """The same, and what kind of file it is.

    Raises:
        BadPicture: it is none, is damaged, or has more pixels than `MOST_PIXELS`.
        NotColour: it is neither RGB nor grey of 8 bits.
    """
    opened = _open(data)
    if opened.mode not in COLOURS:
        raise NotColour(f"an image of mode {opened.mode}, not of 8-bit RGB or grey")
    try:
        pixels = np.asarray(opened if opened.mode == "RGB" else opened.convert("RGB"))
    except Exception as error:  # whatever the library makes of foreign bytes
        raise BadPicture(f"not an image: {_cause(error)}") from error
    return Picture(pixels, str(opened.format).lower(), opened.mode == "RGB")


def size(data: bytes) -> tuple[int, int]:
    """(H, W) of a PNG or JPEG, from its header.

    Raises:
        BadPicture: it is none, or has more pixels than `MOST_PIXELS`.
        NotColour: it has 16 bits.
    """
    if data.startswith(
        PNG
    ):  # asked for every image: a library's start would cost a tenth of its encoding
        return _png_size(data)
    opened = _open(data)
    return opened.height, opened.width


def check_size(height: int, width: int) -> None:
    """Whether a picture may have that size.

    Raises:
        BadPicture: it may not.
    """
    if height < 1 or width < 1:
        raise BadPicture(f"an image of {width}x{height}: it has no pixels")
    if height * width > MOST_PIXELS:
        raise BadPicture(
            f"an image of {width}x{height}: more than the {MOST_PIXELS // 10**6} million pixels that are read"
        )


def _open(data: bytes) -> ImageFile:
    """With its header read, nothing decoded, and the limits checked."""
    if data.startswith(PNG):
        header_size: tuple[int, int] | None = _png_size(data)
        kind: type[ImageFile] = PngImageFile
    elif data.startswith(JPEG):
        header_size, kind = None, JpegImageFile
    else:
        raise _no_picture(data)
    try:
        opened = kind(io.BytesIO(data))
    except Exception as error:  # whatever the library makes of foreign bytes
        raise BadPicture(f"not an image: {_cause(error)}") from error
    check_size(opened.height, opened.width)
    if header_size not in (None, (opened.height, opened.width)):
        raise BadPicture("not an image: its PNG has two headers")
    if opened.mode == "CMYK":
        raise NotColour("a CMYK image, the four inks of a printer, not RGB")
    return opened


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < len(PNG_HEADER) + 13 or not data.startswith(PNG_HEADER):
        raise BadPicture("not an image: its PNG begins without a header, or is cut short")
    width, height, bits = struct.unpack_from(">IIB", data, len(PNG_HEADER))
    check_size(height, width)
    if bits == 16:  # the library would give the upper 8 bits of some and clip others to white
        raise NotColour("a 16-bit image, as depth or infrared is, not 8-bit colour")
    return height, width


def _no_picture(data: bytes) -> BadPicture:
    if not data:
        return BadPicture("not an image: it has no bytes")
    if data.startswith(PNG, DEPTH_CONFIG):
        return NotColour("a compressedDepth image, not colour")
    known = next((name for start, name in OTHERS.items() if data.startswith(start)), "")
    begins = known or f"it begins with the bytes {data[:4].hex(' ')}"
    return BadPicture(f"not an image: neither PNG nor JPEG, {begins}")


def _cause(error: Exception) -> str:
    """In one line, without what differs from run to run: a memory address, lengths of buffers."""
    text = " ".join(str(error).split())
    return text[:100] if text and " at 0x" not in text else "its data is damaged"
