# SPDX-License-Identifier: Apache-2.0
"""A sensor_msgs Image or CompressedImage as colours: the one way in which such a message is decoded.

Sizes and lengths are checked before they are used, for they come from another process. Messages may be those of rclpy
or of a bag.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rldg_core.bags import bag_reader
from rldg_core.contract import WRIST_IMAGE
from rldg_core.files.picture import BadPicture, NotColour, check_size, decode
from rldg_core.message_values import SECOND, STAMPED, stamp_of

FORWARDS, BACKWARDS, GREY = slice(0, 3), slice(2, None, -1), slice(0, 1)
ORDERS = {
    "rgb8": (3, FORWARDS),
    "bgr8": (3, BACKWARDS),
    "rgba8": (4, FORWARDS),
    "bgra8": (4, BACKWARDS),
    "mono8": (1, GREY),
    "8UC1": (1, GREY),
    "8UC3": (3, BACKWARDS),
    "8UC4": (4, BACKWARDS),
}
"""bytes of a pixel, and in which order they are colours. 8UC… names no order: OpenCV's, and so cv_bridge's, is BGR"""
YUV = {"yuv422": 1, "uyvy": 1, "yuv422_yuy2": 0, "yuyv": 0}
"""where in two bytes the brightness is, of encodings that give two pixels one colour"""
_LEVELS = np.arange(256)
LUMA = np.rint(1.164 * (_LEVELS - 16)).astype(np.int16)
RED_V, GREEN_U, GREEN_V, BLUE_U = (
    np.rint(gain * (_LEVELS - 128)).astype(np.int16) for gain in (1.596, -0.392, -0.813, 2.017)
)
"""what a level of brightness, and of the two colour differences, gives to red, green and blue"""
DEPTH = ("16UC1", "32FC1")
WIDE = ("16", "32F", "64F")
"""in the names of encodings of more than 8 bits"""


def checked_stamp(cdr: bytes) -> int:
    """Stamp [ns] of a serialised Image.

    Raises:
        BadPicture: it has none, or one that is no time.
    """
    if len(cdr) < STAMPED:
        raise BadPicture(f"a message of {len(cdr)} bytes is no image")
    stamp = stamp_of(cdr)
    seconds, nanosec = (
        int.from_bytes(cdr[at : at + 4], "little" if cdr[1] & 1 else "big") for at in (4, 8)
    )
    if seconds >= 1 << 31 or nanosec >= SECOND:
        raise BadPicture(f"its stamp is no time: {seconds} s and {nanosec} ns")
    return stamp


def image_of(cdr: bytes) -> Any:
    """A serialised Image.

    Raises:
        BadPicture: it is none.
    """
    try:
        return bag_reader.decode(WRIST_IMAGE, cdr)
    except Exception as error:  # whatever the library makes of foreign bytes
        raise BadPicture("a message that is damaged, or no image") from error


def is_depth(message: Any) -> bool:
    """Whether the message says that it holds distances. What a compressed one says may be wrong: see `colours`."""
    if hasattr(message, "encoding"):
        return str(message.encoding) in DEPTH
    return "compressedDepth" in message.format or message.format.startswith(DEPTH)


def colours(message: Any) -> np.ndarray:
    """An Image or CompressedImage as (H, W, 3) uint8 RGB.

    Raises:
        BadPicture: it is damaged, of an encoding that is not known here, or too large.
        NotColour: distances, infrared, a mask.
    """
    if hasattr(message, "encoding"):
        return _raw(message)
    return decode(compressed(message))


def compressed(message: Any) -> bytes:
    """The file inside a CompressedImage.

    Raises:
        BadPicture: it is a mosaic that no decoder of its kind restores.
    """
    if str(message.format).startswith("bayer") and "compressed bayer" in str(message.format):
        raise BadPicture("a Bayer mosaic, compressed as grey: publish what image_proc made of it")
    return bytes(memoryview(message.data))


def _raw(message: Any) -> np.ndarray:
    height, width, step, encoding = (
        int(message.height),
        int(message.width),
        int(message.step),
        str(message.encoding),
    )
    check_size(height, width)
    pixel = 2 if encoding in YUV else ORDERS[encoding][0] if encoding in ORDERS else 0
    if not pixel:
        raise _unknown(encoding)
    description = f"a {width}x{height} {encoding[:20]} image"
    if step < width * pixel:
        raise BadPicture(
            f"{description} says that a row (step) has {step} bytes, {width * pixel} are needed: its driver is at fault"
        )
    data = np.frombuffer(message.data, np.uint8)
    if data.size != height * step:
        raise BadPicture(
            f"{description} has {data.size} bytes instead of {height * step}: it is cut short, or its sizes are wrong"
        )
    rows = data.reshape(height, step)[:, : width * pixel].reshape(height, width, pixel)
    if encoding in YUV:
        return _from_yuv(rows, YUV[encoding])
    _, order = ORDERS[encoding]
    return np.ascontiguousarray(np.repeat(rows, 3, axis=2) if order == GREY else rows[:, :, order])


def _unknown(encoding: str) -> BadPicture:
    if encoding in DEPTH:
        return NotColour("depth, not colour")
    name = ascii(encoding[:40])
    if any(part in encoding for part in WIDE):
        return NotColour(
            f"an image of encoding {name}: 16-bit, as depth or infrared is, not 8-bit colour"
        )
    if encoding.startswith("bayer"):
        return BadPicture(f"a Bayer mosaic ({name}): publish what image_proc makes of it")
    if encoding.lower() in ("h264", "hevc", "h265"):
        return BadPicture("H.264 or H.265 video: republish it as raw or compressed images")
    return BadPicture(
        f"images of encoding {name} cannot be converted; these can: {', '.join((*ORDERS, *YUV))}"
    )


def _from_yuv(rows: np.ndarray, brightness: int) -> np.ndarray:
    """(H, W, 3) uint8 of (H, W, 2): ITU-R BT.601 with 16 to 235, as OpenCV and with it cv_bridge take it."""
    height, width, _ = rows.shape
    if width % 2:
        raise BadPicture(f"a YUV 4:2:2 image has an even width, not {width}")
    y = LUMA[rows[:, :, brightness]]
    u, v = rows[:, 0::2, 1 - brightness], rows[:, 1::2, 1 - brightness]
    rgb = np.empty((height, width, 3), np.uint8)
    for channel, chroma in enumerate((RED_V[v], GREEN_U[u] + GREEN_V[v], BLUE_U[u])):
        rgb[:, :, channel] = np.clip(y + np.repeat(chroma, 2, axis=1), 0, 255)
    return rgb
