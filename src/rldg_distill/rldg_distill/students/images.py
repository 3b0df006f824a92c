# SPDX-License-Identifier: Apache-2.0
"""Images from a dataset's size to a network's: the centre, resized."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import interpolate


def fit(images: Tensor, size: tuple[int, int], area: float = 1.0) -> Tensor:
    """The centre of images in another size, as evaluation shows it to a network.

    Args:
        images: (..., height, width, 3) uint8.
        size: (height, width) wanted.
        area: share of the area that the centre has; both sides shrink by its square root.

    Returns:
        (..., *size, 3) uint8, bicubic with antialiasing. The very same images where nothing has to change.
    """
    height, width = images.shape[-3:-1]
    side = math.sqrt(area)
    rows, columns = round(height * side), round(width * side)
    if (rows, columns) == (height, width) == tuple(size):
        return images
    top, left = (height - rows) // 2, (width - columns) // 2
    cut = images[..., top : top + rows, left : left + columns, :]
    flat = cut.reshape(-1, rows, columns, 3).permute(0, 3, 1, 2).float()
    resized = interpolate(flat, size, mode="bicubic", antialias=True, align_corners=False)
    pixels = resized.round().clamp(0, 255).to(images.dtype).permute(0, 2, 3, 1)
    return pixels.reshape(*images.shape[:-3], *size, 3)
