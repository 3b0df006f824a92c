# SPDX-License-Identifier: Apache-2.0
"""Images as a specialist's networks take them, and what they are varied by."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

IMAGE_SIZE = 128
"""[pixels] on each side, as the camera publishes them"""
GRID = IMAGE_SIZE // 16
"""cells of a network's last map on each side"""
VARIANTS = 4
"""of each image in the replay buffer: as it is, and so many less one under another light"""
BRIGHTNESS = 0.1
"""greatest change of an image's contrast, and of each colour's brightness, of their whole range"""
SHIFT = 1
"""[pixels] an image is moved at most; more of it would blur where the goal is: a pixel is about a millimetre"""


def as_pixels(images: np.ndarray) -> Tensor:
    """(rows, IMAGE_SIZE, IMAGE_SIZE, 3) uint8 as the network takes them.

    Raises:
        ValueError: they are of another size.
    """
    if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        height, width = images.shape[1:3]
        raise ValueError(
            f"images are {width}x{height}, specialists see {IMAGE_SIZE}x{IMAGE_SIZE}: let the camera publish those"
        )
    return torch.tensor(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def in_variants(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """(VARIANTS, …) of (1, …): as it is, then varied."""
    return torch.cat((pixels, varied(pixels.expand(VARIANTS - 1, -1, -1, -1), generator)))


def varied(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Under another light and from a hair beside, each row otherwise."""
    rows, side = len(pixels), pixels.shape[-1]

    def between(limit: float, *shape: int) -> Tensor:
        return (2.0 * torch.rand(rows, *shape, generator=generator) - 1.0) * limit

    pixels = pixels * (1.0 + between(BRIGHTNESS, 1, 1, 1)) + between(BRIGHTNESS, 3, 1, 1)
    padded = nn.functional.pad(pixels, (SHIFT,) * 4, mode="replicate")
    moves = torch.randint(0, 2 * SHIFT + 1, (rows, 2), generator=generator).tolist()
    return torch.stack(
        [image[:, y : y + side, x : x + side] for image, (y, x) in zip(padded, moves, strict=True)]
    )
