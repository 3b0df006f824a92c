# SPDX-License-Identifier: Apache-2.0
"""A sensor_msgs Image or CompressedImage as colours: the one way in which such a message is decoded.

Sizes and lengths are checked before they are used, for they come from another process. Messages may be those of rclpy
or of a bag.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rldg_robot.picture import BadPicture, NotColour, check_size, decode

ORDERS = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
    "8UC3": (3, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
}
"""bytes of a pixel, and where red, green and blue are. 8UC… names no order: OpenCV's, and so cv_bridge's, is BGR"""
YUV = {"yuv422": 1, "uyvy": 1, "yuv422_yuy2": 0, "yuyv": 0}
"""where in two bytes the brightness is, of encodings that give two pixels one colour"""
DEPTH = ("16UC1", "32FC1")
WIDE = ("16", "32F", "64F")
"""in the names of encodings of more than 8 bits"""


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
        BadPicture: it is a mosaic that no file of its kind can be told from.
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
    told = f"a {width}x{height} {encoding[:20]} picture"
    if step < width * pixel:
        raise BadPicture(
            f"{told} says that a row (step) has {step} bytes, {width * pixel} are needed: its driver is at fault"
        )
    data = np.frombuffer(message.data, np.uint8)
    if data.size != height * step:
        raise BadPicture(
            f"{told} has {data.size} bytes instead of {height * step}: it is cut short, or its sizes are wrong"
        )
    rows = data.reshape(height, step)[:, : width * pixel].reshape(height, width, pixel)
    if encoding in YUV:
        return _from_yuv(rows, YUV[encoding])
    _, order = ORDERS[encoding]
    return np.ascontiguousarray(rows if encoding == "rgb8" else rows[:, :, order])


def _unknown(encoding: str) -> BadPicture:
    if encoding in DEPTH:
        return NotColour("depth, not colour")
    name = ascii(encoding[:40])
    if any(part in encoding for part in WIDE):
        return NotColour(
            f"a picture of encoding {name}: 16-bit, as depth or infrared is, not 8-bit colour"
        )
    if encoding.startswith("bayer"):
        return BadPicture(f"a Bayer mosaic ({name}): publish what image_proc makes of it")
    if encoding.lower() in ("h264", "hevc", "h265"):
        return BadPicture("H.264 or H.265 video: republish it as raw or compressed pictures")
    return BadPicture(
        f"images of encoding {name} cannot be converted; these can: {', '.join((*ORDERS, *YUV))}"
    )


def _from_yuv(rows: np.ndarray, brightness: int) -> np.ndarray:
    """(H, W, 3) uint8 of (H, W, 2): ITU-R BT.601 with 16 to 235, as OpenCV and with it cv_bridge take it."""
    height, width, _ = rows.shape
    if width % 2:
        raise BadPicture(f"a YUV 4:2:2 picture has an even width, not {width}")
    y = 1.164 * (rows[:, :, brightness].astype(np.float32) - 16.0)
    pairs = rows[:, :, 1 - brightness].reshape(height, width // 2, 2).astype(np.float32) - 128.0
    u, v = np.repeat(pairs, 2, axis=1).transpose(2, 0, 1)
    rgb = np.stack([y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u], axis=2)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
