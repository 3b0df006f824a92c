# SPDX-License-Identifier: Apache-2.0
"""Images as bytes: PNG, which loses nothing, or JPEG of a stated quality; and messages as such bytes."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from rldg_core import image_message
from rldg_core.files import picture
from rldg_core.files.picture import decode
from rldg_core.image_contract import ImageContract

IMAGE = "sensor_msgs/msg/Image"
IMAGE_TYPES = (IMAGE, "sensor_msgs/msg/CompressedImage")
PNG_LEVEL = 3  # of wrist images, smaller than level 1 and faster than both 1 and 6


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
        name, colon, quality = text.partition(":")
        if name == "jpeg":
            if colon and not re.fullmatch(r"[0-9]{1,3}", quality):
                raise ValueError(f"JPEG quality '{quality}' is not a number from 1 to 100")
            return cls(name, int(quality) if colon else 95)
        if colon:
            raise ValueError(f"'{text}': only jpeg takes a quality")
        return cls(name)

    def __str__(self) -> str:
        return self.name if self.quality is None else f"{self.name}:{self.quality}"


def encode(image: np.ndarray, image_format: ImageFormat) -> bytes:
    """An (H, W, 3) uint8 RGB image as a file's bytes."""
    stream = io.BytesIO()
    drawn = Image.fromarray(image)
    if image_format.name == "png":
        drawn.save(stream, "PNG", compress_level=PNG_LEVEL)
    else:
        drawn.save(stream, "JPEG", quality=image_format.quality, subsampling=0)
    return stream.getvalue()


def stored(message: Any, image_format: ImageFormat, contract: ImageContract | None = None) -> bytes:
    """A sensor_msgs/Image or CompressedImage as a dataset stores it; with a contract, cropped and sized by it.

    A compressed colour image that has the wanted format already keeps its bytes, a JPEG thereby its own quality.

    Raises:
        BadPicture: not an image, or one without colours.
    """
    if contract:
        return encode(contract.apply(image_message.colours(message)), image_format)
    if message.__msgtype__ == IMAGE:
        return encode(image_message.colours(message), image_format)
    data = image_message.compressed(message)
    found = picture.read(data)
    if found.plain and found.form == image_format.name:
        return data
    return encode(found.pixels, image_format)


def size_of(message: Any) -> tuple[int, int]:
    """(H, W) of a sensor_msgs/Image or CompressedImage, without decoding it.

    Raises:
        BadPicture: not an image.
    """
    if message.__msgtype__ == IMAGE:
        return int(message.height), int(message.width)
    return picture.size(image_message.compressed(message))


def shape(data: bytes) -> tuple[int, int, int]:
    """(H, W, 3) of an encoded image, from its header.

    Raises:
        BadPicture: not an image.
    """
    return (*picture.size(data), 3)


def histogram(data: bytes) -> np.ndarray:
    """(3, 256) int64: how often every level occurs in red, green and blue of an encoded image."""
    return np.array(Image.fromarray(decode(data)).histogram()).reshape(3, 256)
