# SPDX-License-Identifier: Apache-2.0
"""Images as bytes: PNG, which loses nothing, or JPEG of a stated quality; and images out of messages."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

IMAGE = "sensor_msgs/msg/Image"
IMAGE_TYPES = (IMAGE, "sensor_msgs/msg/CompressedImage")
DEPTH = ("16UC1", "32FC1")
PNG_HEADER = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_LEVEL = 3  # of wrist images, smaller than level 1 and faster than both 1 and 6
RGB_ORDER = {
    "rgb8": (0, 1, 2),
    "bgr8": (2, 1, 0),
    "rgba8": (0, 1, 2),
    "bgra8": (2, 1, 0),
    "mono8": (0, 0, 0),
}


@dataclass(frozen=True)
class ImageFormat:
    """How a dataset stores its images.

    Raises:
        ValueError: an unknown name or quality.
    """

    name: str = "png"
    """`png` or `jpeg`"""
    quality: int | None = None
    """of a JPEG, 1 to 100; colour is not subsampled"""

    def __post_init__(self) -> None:
        if self.name not in ("png", "jpeg"):
            raise ValueError(f"no image format '{self.name}'; there are: png, jpeg, jpeg:<quality>")
        if (self.name == "jpeg") != (self.quality is not None):
            raise ValueError("a JPEG has a quality, a PNG has none")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"JPEG quality {self.quality} is not in 1 to 100")

    @classmethod
    def parse(cls, text: str) -> ImageFormat:
        """`png`, `jpeg` (quality 95) or `jpeg:<quality>`."""
        name, _, quality = text.partition(":")
        if name == "jpeg":
            if quality and not quality.isdecimal():
                raise ValueError(f"JPEG quality '{quality}' is not a number from 1 to 100")
            return cls(name, int(quality or 95))
        if quality:
            raise ValueError(f"'{text}': only jpeg takes a quality")
        return cls(name)

    def __str__(self) -> str:
        return self.name if self.quality is None else f"{self.name}:{self.quality}"


def encode(image: np.ndarray, image_format: ImageFormat) -> bytes:
    """An (H, W, 3) uint8 RGB image as a file's bytes."""
    stream = io.BytesIO()
    picture = Image.fromarray(image)
    if image_format.name == "png":
        picture.save(stream, "PNG", compress_level=PNG_LEVEL)
    else:
        picture.save(stream, "JPEG", quality=image_format.quality, subsampling=0)
    return stream.getvalue()


def decode(data: bytes) -> np.ndarray:
    """An (H, W, 3) uint8 RGB image.

    Raises:
        ValueError: not an image.
    """
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"not an image: {error}") from error


def stored(message: Any, image_format: ImageFormat) -> bytes:
    """A sensor_msgs/Image or CompressedImage as a dataset stores it.

    A compressed colour image that has the wanted format already keeps its bytes, a JPEG thereby its own quality.

    Raises:
        ValueError: not an image, or one without colours.
    """
    if message.__msgtype__ == IMAGE:
        return encode(pixels(message), image_format)
    data = message.data.tobytes()
    image = decode(data)
    header = Image.open(io.BytesIO(data))
    if header.mode == "RGB" and header.format == image_format.name.upper():
        return data
    return encode(image, image_format)


def is_depth(message: Any) -> bool:
    """Whether a sensor_msgs/Image or CompressedImage holds distances."""
    if message.__msgtype__ == IMAGE:
        return message.encoding in DEPTH
    return "compressedDepth" in message.format or message.format.startswith(DEPTH)


def pixels(message: object) -> np.ndarray:
    """A sensor_msgs/Image as (H, W, 3) uint8 RGB.

    Raises:
        ValueError: an encoding without colours, or fewer bytes than it says.
    """
    height, width, step, encoding, data = (
        getattr(message, name) for name in ("height", "width", "step", "encoding", "data")
    )
    if encoding not in RGB_ORDER:
        raise ValueError(
            f"images of encoding '{encoding}' cannot be converted; these can: {', '.join(RGB_ORDER)}"
        )
    channels = 4 if "a8" in encoding else 1 if encoding == "mono8" else 3
    if not height or step < width * channels or data.size < height * step:
        raise ValueError(f"an image of {width}x{height} {encoding} has {data.size} bytes only")
    rows = data[: height * step].reshape(height, step)[:, : width * channels]
    image = rows.reshape(height, width, channels)
    if encoding == "rgb8":
        return np.ascontiguousarray(image)
    return np.ascontiguousarray(image[:, :, RGB_ORDER[encoding]])


def shape(data: bytes) -> tuple[int, int, int]:
    """(H, W, 3) of an encoded image, from its header."""
    if data.startswith(
        PNG_HEADER
    ):  # asked for every image: a parser's start would cost a tenth of its encoding
        width, height = struct.unpack_from(">II", data, len(PNG_HEADER))
    else:
        width, height = Image.open(io.BytesIO(data)).size
    return height, width, 3


def histogram(data: bytes) -> np.ndarray:
    """(3, 256) int64: how often every level occurs in red, green and blue of an encoded image."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB").histogram()).reshape(3, 256)
