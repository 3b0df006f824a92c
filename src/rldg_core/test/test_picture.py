# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rldg_core.files.picture import MOST_PIXELS, BadPicture, NotColour, decode, read, size

SOURCE = np.random.default_rng(0)
COLOUR = SOURCE.integers(0, 256, (24, 32, 3), np.uint8)


def file(
    pixels: np.ndarray, form: str = "PNG", mode: str | None = None, **options: object
) -> bytes:
    drawn = Image.fromarray(pixels)
    stream = io.BytesIO()
    (drawn if mode is None else drawn.convert(mode)).save(stream, form, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    whole = name + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


def png(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    """Of any header, true or not."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def deep(kind: int, channels: int) -> bytes:
    return png(4, 2, 16, kind, (b"\0" + b"\x12\x34" * 4 * channels) * 2)


def cmyk() -> bytes:
    return file(COLOUR, "JPEG", "CMYK")


def transparent() -> bytes:
    return file(COLOUR, "PNG", "P", transparency=3)


def test_what_is_colour_becomes_three_channels_of_eight_bits() -> None:
    grey = COLOUR[:, :, 0]
    np.testing.assert_array_equal(decode(file(COLOUR)), COLOUR)
    np.testing.assert_array_equal(decode(file(np.dstack([COLOUR, grey]))), COLOUR)
    np.testing.assert_array_equal(decode(file(grey)), np.dstack([grey] * 3))
    np.testing.assert_array_equal(decode(file(grey, mode="LA")), np.dstack([grey] * 3))
    assert decode(transparent()).shape == decode(file(COLOUR, mode="P")).shape == (24, 32, 3)
    assert np.abs(decode(file(grey, "JPEG")).astype(int) - grey[..., None]).mean() < 20
    assert read(file(COLOUR, "JPEG")).plain and read(file(COLOUR, "JPEG")).form == "jpeg"
    assert not read(file(grey)).plain


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (deep(0, 1), "16-bit.*depth or infrared"),
        (deep(2, 3), "16-bit.*depth or infrared"),
        (deep(4, 2), "16-bit.*depth or infrared"),
        (deep(6, 4), "16-bit.*depth or infrared"),
        (png(8, 2, 1, 0, b"\0\xaa" * 2), "mode 1,"),
        (cmyk(), "CMYK"),
        (bytes(12) + file(COLOUR), "compressedDepth"),
    ],
)
def test_what_is_not_colour_is_refused_as_such(data: bytes, said: str) -> None:
    with pytest.raises(NotColour, match=said):
        decode(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no bytes"),
        (b"\x00\x00\x00\x01\x67\x42\x00\x1f", "H.264 or H.265 video: republish"),
        (b"\x00\x00\x01\x09", "video"),
        (b"GIF89a" + bytes(40), "neither PNG nor JPEG, GIF"),
        (b"what is this", "neither PNG nor JPEG, it begins with the bytes 77 68 61 74"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
        (file(COLOUR)[:200], "not an image"),
        (file(COLOUR, "JPEG")[:-200], "not an image"),
        (file(COLOUR, "JPEG")[:20], "not an image"),
        (png(0, 4, 8, 2, b""), "0x4: it has no pixels"),
        (png(2**31 - 1, 2**31 - 1, 8, 2, b""), "more than the 16 million pixels"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_cause_and_without_an_address(
    data: bytes, said: str
) -> None:
    with pytest.raises(BadPicture, match=said) as caught:
        decode(data)
    assert not isinstance(caught.value, NotColour)
    text = str(caught.value)
    assert "\n" not in text and "0x" not in text.replace("0x4", "") and "BytesIO" not in text


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    for name in ("gs", "gswin64c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    drawing = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    for data in (drawing, b"\xc5\xd0\xd3\xc6" + bytes(28) + drawing):
        with pytest.raises(BadPicture, match="neither PNG nor JPEG"):
            decode(data)
    assert not ran.exists()


@pytest.mark.parametrize("side", [9_000, 14_000, 20_000, 65_000])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_huge_picture_is_refused_by_its_header(side: int, form: str) -> None:
    if form == "PNG":
        data = png(side, side, 8, 2, bytes(1000))
    else:
        data = bytearray(file(COLOUR, "JPEG"))
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for look in (decode, size):
            with pytest.raises(BadPicture, match=f"{side}x{side}: more than the 16 million pixels"):
                look(bytes(data))


def test_the_largest_that_is_read_and_its_memory() -> None:
    """In a process of its own, whose peak is nobody else's."""
    side = int(MOST_PIXELS**0.5)
    program = f"""
import io
from pathlib import Path
from PIL import Image
from rldg_core.files.picture import decode
stream = io.BytesIO()
Image.new("RGB", ({side}, {side})).save(stream, "PNG")
assert decode(stream.getvalue()).shape == ({side}, {side}, 3)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 400_000  # [kB]


def test_a_second_header_does_not_get_around_the_first() -> None:
    small, large = png(4, 4, 8, 2, bytes(52)), png(14_000, 14_000, 8, 2, bytes(52))
    data = small[:33] + large[8:]
    with pytest.raises(BadPicture):
        decode(data)


def test_text_that_unpacks_to_much_more_is_no_picture() -> None:
    about = PngInfo()
    about.add_text("comment", "a" * (8 << 20), zip=True)
    with pytest.raises(BadPicture, match="not an image"):
        decode(file(COLOUR, pnginfo=about))


def damaged(data: bytes, source: random.Random) -> bytes:
    """One to six of: a flipped byte, a cut, an insertion, a part of it again, a lost part."""
    broken = bytearray(data)
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(broken)) if broken else 0
        # The header is where a reader is asked to believe the most.
        at = min(at, source.choice([40, len(broken)])) if broken else 0
        kind = source.randrange(5)
        if kind == 0 and at < len(broken):
            broken[at] = source.randrange(256)
        elif kind == 1:
            del broken[max(at, 8) :]
        elif kind == 2:
            broken[at:at] = source.randbytes(source.randint(1, 9))
        elif kind == 3:
            broken[at:at] = broken[at : at + source.randint(1, 60)]
        else:
            del broken[at : at + source.randint(1, 60)]
    return bytes(broken)


def test_damaged_files_are_pictures_or_bad_pictures_and_nothing_else() -> None:
    source = random.Random(19)
    seeds = [file(COLOUR), file(COLOUR, "JPEG"), file(COLOUR, "JPEG", progressive=True)]
    seeds += [transparent(), cmyk(), deep(2, 3), file(COLOUR[:, :, 0], "JPEG"), file(COLOUR, "GIF")]
    about = PngInfo()
    about.add_text("comment", "a" * 500, zip=True)
    seeds.append(file(COLOUR, pnginfo=about, icc_profile=bytes(200)))
    outcomes = {True: 0, False: 0}
    for number in range(4000):
        data = damaged(seeds[number % len(seeds)], source)
        try:
            pixels = decode(data)
        except BadPicture as error:
            assert "\n" not in str(error) and " at 0x" not in str(error), error
            outcomes[False] += 1
        else:
            assert pixels.dtype == np.uint8 and pixels.shape == (*size(data), 3)
            outcomes[True] += 1
    assert min(outcomes.values()) > 100
