# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import io
import random
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Drawn

from rldg_core.bags.bag_reader import typestore
from rldg_core.files.picture import BadPicture, NotColour
from rldg_core.image_message import GREY, ORDERS, YUV, checked_stamp, colours, image_of

TS, KIND = typestore(), "sensor_msgs/msg/Image"
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@dataclass
class Image:
    height: Any
    width: Any
    encoding: str
    step: Any
    data: Any
    is_bigendian: int = 0


@dataclass
class CompressedImage:
    format: str
    data: Any


def image(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    return Image(*pixels.shape[:2], encoding, rows.shape[1], rows.ravel())


def as_sent(pixels: np.ndarray, encoding: str) -> np.ndarray:
    channels, order = ORDERS[encoding]
    if order == GREY:
        return pixels[:, :, :1]
    sent = np.full((*pixels.shape[:2], channels), 255, np.uint8)
    sent[:, :, order] = pixels
    return sent


@pytest.mark.parametrize("encoding", ORDERS)
@pytest.mark.parametrize("padding", [0, 5])
def test_every_order_of_channels_with_and_without_padding(encoding: str, padding: int) -> None:
    wanted = RGB if ORDERS[encoding][0] > 1 else np.repeat(RGB[:, :, :1], 3, axis=2)
    message = image(as_sent(RGB, encoding), encoding, padding)
    np.testing.assert_array_equal(colours(message), wanted)
    of_rclpy = replace(message, data=array.array("B", message.data.tobytes()), is_bigendian=1)
    np.testing.assert_array_equal(colours(of_rclpy), wanted)


@pytest.mark.parametrize("encoding", YUV)
def test_pictures_with_one_colour_for_two_pixels(encoding: str) -> None:
    """Red, as OpenCV writes it: brightness 81, blue 90, red 240."""
    first = [90, 81, 240, 81] if YUV[encoding] else [81, 90, 81, 240]
    red = np.tile(np.array(first, np.uint8).reshape(1, 2, 2), (4, 3, 1))
    seen = colours(image(red, encoding, 4)).astype(int)
    assert seen.shape == (4, 6, 3)
    assert np.abs(seen - [255, 0, 0]).max() <= 2
    grey = colours(image(np.full((4, 6, 2), 128, np.uint8), encoding))
    assert (grey == 130).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"step": 0}, r"says that a row \(step\) has 0 bytes, 24 are needed"),
        ({"step": 23}, "has 23 bytes, 24 are needed"),
        ({"width": 0}, "0x6: it has no pixels"),
        ({"height": 0}, "8x0: it has no pixels"),
        ({"height": 2**32 - 1}, "more than the 16 million pixels"),
        ({"step": 2**32 - 1}, "instead of"),
        ({"data": RGB.ravel()[:-1]}, "has 143 bytes instead of 144: it is cut short"),
        ({"data": np.zeros(0, np.uint8)}, "has 0 bytes instead of 144"),
        ({"data": np.zeros(145, np.uint8)}, "has 145 bytes instead of 144"),
        ({"encoding": "bayer_rggb8"}, "Bayer.*image_proc"),
        ({"encoding": "h264"}, "H.264"),
        ({"encoding": ""}, "of encoding '' cannot be converted; these can: rgb8"),
        ({"encoding": "r\x1b[2Jgb8\n"}, r"'r\\x1b\[2Jgb8\\n'"),
        ({"encoding": "yuyv", "width": 7}, "even width"),
    ],
)
def test_a_message_that_lies_or_was_cut_is_a_bad_picture(changed: dict, said: str) -> None:
    message = replace(image(RGB, "rgb8"), **changed)
    if changed.get("width"):
        message = replace(message, step=24)
    with pytest.raises(BadPicture, match=said) as caught:
        colours(message)
    assert not isinstance(caught.value, NotColour) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "encoding", ["16UC1", "32FC1", "mono16", "rgb16", "bgra16", "16SC1", "64FC1"]
)
def test_more_than_eight_bits_are_not_colour(encoding: str) -> None:
    with pytest.raises(NotColour, match="depth"):
        colours(image(RGB, encoding))


def compressed(pixels: np.ndarray, form: str, encoding_name: str) -> CompressedImage:
    stream = io.BytesIO()
    Drawn.fromarray(pixels).save(stream, form)
    return CompressedImage(encoding_name, np.frombuffer(stream.getvalue(), np.uint8))


def test_the_picture_decides_and_not_what_the_message_says_of_it() -> None:
    for encoding_name in ("png", "", "16UC1; compressedDepth png", "h264", "\udcff"):
        np.testing.assert_array_equal(colours(compressed(RGB, "PNG", encoding_name)), RGB)
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    for encoding_name in ("rgb8; jpeg compressed bgr8", "png", "16UC1; png compressed "):
        with pytest.raises(NotColour, match="16-bit"):
            colours(compressed(deep, "PNG", encoding_name))
    packed = compressed(deep, "PNG", "rgb8; png")
    packed.data = np.concatenate([np.zeros(12, np.uint8), packed.data])
    with pytest.raises(NotColour, match="compressedDepth"):
        colours(packed)
    with pytest.raises(BadPicture, match="Bayer"):
        colours(compressed(RGB[:, :, 0], "JPEG", "bayer_rggb8; jpeg compressed bayer_rggb8"))


def test_random_messages_are_colours_or_bad_pictures_at_once() -> None:
    source = random.Random(19)
    started, whole = time.monotonic(), 0
    for _ in range(4000):
        some = [0, 1, 2, 6, 8, 16, 24, 32, 2**16, 2**31, 2**32 - 1, source.randrange(2**32)]
        message = image(RGB, "rgb8", source.choice([0, 0, 8]))
        for name in source.sample(
            ["height", "width", "step", "encoding", "data"], source.randint(0, 3)
        ):
            if name == "encoding":
                message.encoding = source.choice(
                    [*ORDERS, *YUV, "16UC1", "bayer_gbrg8", "x" * 999, "8UC9"]
                )
            elif name == "data":
                message.data = np.zeros(
                    source.choice([0, 1, 143, 144, 192, 48, 96, 10_000]), np.uint8
                )
            else:
                setattr(message, name, source.choice(some))
        try:
            seen = colours(message)
        except BadPicture as error:
            assert "\n" not in str(error) and len(str(error)) < 250
        else:
            whole += 1
            assert seen.shape == (message.height, message.width, 3) and seen.dtype == np.uint8
    assert whole > 100
    assert time.monotonic() - started < 10.0


def test_a_serialised_message_of_any_bytes_is_an_image_or_a_bad_picture() -> None:
    whole = image(RGB, "rgb8")
    time_class, header_class = (
        TS.types[n] for n in ("builtin_interfaces/msg/Time", "std_msgs/msg/Header")
    )
    about = header_class(time_class(5, 7), "camera")
    sent = TS.types[KIND](about, 6, 8, "rgb8", 0, 24, whole.data)
    cdr = bytes(TS.serialize_cdr(sent, KIND))
    assert checked_stamp(cdr) == 5_000_000_007
    np.testing.assert_array_equal(colours(image_of(cdr)), RGB)
    for bad in (b"", b"\0\1\0\0", cdr[:11], cdr[:4] + b"\xff" * 8 + cdr[12:]):
        with pytest.raises(BadPicture):
            checked_stamp(bad)
    source, whole_ones = random.Random(19), 0
    for _ in range(3000):
        broken = bytearray(cdr)
        for _ in range(source.randint(1, 4)):
            broken[source.randrange(min(len(broken), 60))] = source.randrange(256)
        if source.random() < 0.3:
            del broken[source.randrange(len(broken)) :]
        try:
            checked_stamp(bytes(broken))
            assert colours(image_of(bytes(broken))).dtype == np.uint8
            whole_ones += 1
        except BadPicture:
            pass
    assert whole_ones > 30
