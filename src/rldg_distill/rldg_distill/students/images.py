# SPDX-License-Identifier: Apache-2.0
"""Parts of images in another size: the one way in which training and evaluation resize.

Lanczos with three lobes and antialiasing, as Octo's and OpenVLA's data pipelines resize. Rows and columns are two
matrices per image, so a batch with a different part of every image is two batched products.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOBES = 3


def resample(images: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """A box of every image in a new size.

    Args:
        images: (B, ..., height, width, 3) uint8 or float.
        boxes: (B, 4) top, left, height, width as shares of the image, within it.
        size: (height, width) wanted.

    Returns:
        (B, ..., *size, 3) float32 within 0 and 255.
    """
    height, width = images.shape[-3:-1]
    rows = _weights(boxes[:, 0] * height, boxes[:, 2] * height, height, size[0])
    columns = _weights(boxes[:, 1] * width, boxes[:, 3] * width, width, size[1])
    flat = images.reshape(len(images), -1, height, width, 3).float()
    narrow = torch.einsum("bnhwc,bvw->bnhvc", flat, columns)
    small = torch.einsum("bnhvc,buh->bnuvc", narrow, rows)
    return small.clamp(0.0, 255.0).reshape(*images.shape[:-3], *size, 3)


def _weights(start: Tensor, extent: Tensor, before: int, after: int) -> Tensor:
    """(B, after, before): what every old pixel gives to every new one along one side [pixels]."""
    device = start.device
    step = (extent / after)[:, None, None]
    centre = start[:, None, None] + (torch.arange(after, device=device)[:, None] + 0.5) * step
    distance = (torch.arange(before, device=device) + 0.5 - centre) / step.clamp(min=1.0)
    weights = torch.sinc(distance) * torch.sinc(distance / LOBES) * (distance.abs() < LOBES)
    return weights / weights.sum(-1, keepdim=True)


def centre_box(area: float) -> Tensor:
    """(1, 4): the middle that has a share of the area."""
    side = math.sqrt(area)
    return torch.tensor([[(1 - side) / 2, (1 - side) / 2, side, side]])


def fit(images: Tensor, size: tuple[int, int], area: float = 1.0) -> Tensor:
    """The centre of images in another size, as evaluation shows it to a network.

    Args:
        images: (B, ..., height, width, 3) uint8.
        size: (height, width) wanted.
        area: share of the area that the centre has; both sides shrink by its square root.

    Returns:
        (B, ..., *size, 3) uint8. The very same images where nothing has to change.
    """
    if area == 1.0 and tuple(images.shape[-3:-1]) == tuple(size):
        return images
    boxes = centre_box(area).to(images.device).expand(len(images), 4)
    return resample(images, boxes, size).round().to(torch.uint8)
