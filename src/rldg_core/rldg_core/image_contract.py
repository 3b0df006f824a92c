# SPDX-License-Identifier: Apache-2.0
"""What becomes of a camera's picture before anything else sees it: one crop, one size, under a version.

A policy knows only the pictures that it was trained on. So the contract is fixed for a run, stored with every bag, and
bags of different contracts do not go into one dataset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from rldg_core.user_error import UserError

KEY = "image_contract"
"""in a bag's `custom_data`; a bag without it has the twin's pictures, or somebody else's"""
VERSION = 1
"""of how it is done. 1: crop, then for every new pixel the mean of the old ones whose centres lie in it"""
SIZE = 128
"""[pixel] of either side of the pictures that every robot of this project shows"""
FORM = r"(?P<of>\d+x\d+):(?P<box>\d+,\d+,\d+,\d+)"


@dataclass(frozen=True)
class ImageContract:
    """Which part of a picture is seen, and how large."""

    width: int = 640
    """of the camera's picture"""
    height: int = 480
    box: tuple[int, int, int, int] = (80, 0, 480, 480)
    """left, top, width, height of the part that is seen, in pixels of the camera's picture"""
    size: int = SIZE
    """width and height of what comes out"""

    @staticmethod
    def read(text: str) -> ImageContract:
        """`640x480:80,0,480,480`: the camera's picture, and the box in it.

        Raises:
            UserError: it is written otherwise, or the box is not in the picture.
        """
        found = re.fullmatch(FORM, text)
        if not found:
            raise UserError(
                f"crop:={text} is not valid: it takes <width>x<height>:<left>,<top>,<width>,<height>, the camera's "
                "image size and the box in it, such as 640x480:80,0,480,480"
            )
        width, height = map(int, found["of"].split("x"))
        left, top, wide, high = map(int, found["box"].split(","))
        if not (0 < wide <= width - left and 0 < high <= height - top):
            raise UserError(f"crop:={text} is not valid: the box reaches beyond the image")
        return ImageContract(width, height, (left, top, wide, high))

    @staticmethod
    def stored(text: str) -> ImageContract | None:
        """What `str` made of one, as bags carry it; None of an empty text.

        Raises:
            UserError: it is of another version, or none.
        """
        if not text:
            return None
        version, _, rest = text.partition(":")
        crop, _, size = rest.rpartition(":")
        if version != str(VERSION) or not re.fullmatch(r"[1-9]\d{0,3}", size):
            raise UserError(
                f"'{text}' is no image contract of version {VERSION}, such as {ImageContract()}: the bag or dataset "
                "was changed, or made by another version"
            )
        return replace(ImageContract.read(crop), size=int(size))

    @staticmethod
    def centred(width: int, height: int, size: int = SIZE) -> ImageContract:
        """The largest square in the middle of a picture."""
        side = min(width, height)
        box = ((width - side) // 2, (height - side) // 2, side, side)
        return ImageContract(width, height, box, size)

    @property
    def crop(self) -> str:
        """As `read` takes it."""
        return f"{self.width}x{self.height}:{','.join(map(str, self.box))}"

    def __str__(self) -> str:
        """With version and size: what bags carry."""
        return f"{VERSION}:{self.crop}:{self.size}"

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """(size, size, 3) uint8 of the camera's picture (height, width, 3) uint8."""
        left, top, wide, high = self.box
        seen = Image.fromarray(picture).resize(
            (self.size, self.size),
            Image.Resampling.BOX,
            box=(left, top, left + wide, top + high),
        )
        return np.asarray(seen)

    def camera_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """(3, 3) of what comes out, from that of the camera; the centre of a pixel has whole coordinates."""
        left, top, wide, high = self.box
        x, y = self.size / wide, self.size / high
        return np.array(
            [
                [matrix[0, 0] * x, 0.0, (matrix[0, 2] - left + 0.5) * x - 0.5],
                [0.0, matrix[1, 1] * y, (matrix[1, 2] - top + 0.5) * y - 0.5],
                [0.0, 0.0, 1.0],
            ]
        )
