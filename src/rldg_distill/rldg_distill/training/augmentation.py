# SPDX-License-Identifier: Apache-2.0
"""Random crops and colours, with the crop that evaluation then needs.

Octo: octo/data/obs_transforms.py and scripts/configs/finetune_config.py; OpenVLA: vla-scripts/finetune.py. Both draw
once per sample and camera, so all steps of a window change alike. Octo crops its primary camera only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rldg_distill.students.images import resample

Range = tuple[float, float]


@dataclass(frozen=True)
class AugmentationRecipe:
    """How far images may change; every number is drawn uniformly."""

    area: Range
    """share of the image that a crop has"""
    ratio: Range
    """width by height of a crop"""
    brightness: float
    """most that is added, of 1.0 for white"""
    contrast: Range
    """factor on the distance from the image's mean colour"""
    saturation: Range
    """factor"""
    hue: float
    """most that is added, in turns of the colour wheel"""

    @property
    def evaluation_area(self) -> float:
        """Share of the image that evaluation has to show: what a crop has on average."""
        return sum(self.area) / 2


RECIPES: Mapping[str, AugmentationRecipe | None] = {
    "none": None,
    "octo": AugmentationRecipe((0.8, 1.0), (0.9, 1.1), 0.1, (0.9, 1.1), (0.9, 1.1), 0.05),
    "openvla": AugmentationRecipe((0.9, 0.9), (1.0, 1.0), 0.2, (0.8, 1.2), (0.8, 1.2), 0.05),
}


def augment(
    images: Tensor,
    recipe: AugmentationRecipe,
    crop: bool,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:
    """Images of one camera, changed.

    Args:
        images: (B, W, height, width, 3) uint8 on any device.
        recipe: how far.
        crop: whether parts are cut out, or the whole is kept.
        size: (height, width) of the result.
        generator: of the processor; draws 8 numbers per sample on any device.

    Returns:
        (B, W, *size, 3) uint8.
    """
    draws = torch.rand((8, len(images)), generator=generator)
    boxes = _boxes(recipe, draws[:4]) if crop else torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    boxes = boxes.expand(len(images), 4).to(images.device)
    whole = not crop and tuple(images.shape[-3:-1]) == size
    pictures = (images.float() if whole else resample(images, boxes, size)) / 255.0
    brightness, contrast, saturation, hue = (
        low + (high - low) * draw
        for (low, high), draw in zip(
            (
                (-recipe.brightness, recipe.brightness),
                recipe.contrast,
                recipe.saturation,
                (-recipe.hue, recipe.hue),
            ),
            draws[4:].to(images.device)[:, :, None, None, None],
            strict=True,
        )
    )
    pictures = pictures + brightness[..., None]
    mean = pictures.mean((2, 3), keepdim=True)
    pictures = (pictures - mean) * contrast[..., None] + mean
    pictures = _recolour(pictures.clamp(0.0, 1.0), saturation, hue)
    return (pictures * 255.0).round().to(torch.uint8)


def _boxes(recipe: AugmentationRecipe, draws: Tensor) -> Tensor:
    """(B, 4) top, left, height, width as shares, of (4, B) draws."""
    area = recipe.area[0] + (recipe.area[1] - recipe.area[0]) * draws[0]
    ratio = recipe.ratio[0] + (recipe.ratio[1] - recipe.ratio[0]) * draws[1]
    height = (area / ratio).sqrt().clamp(max=1.0)
    width = (area * ratio).sqrt().clamp(max=1.0)
    return torch.stack(((1 - height) * draws[2], (1 - width) * draws[3], height, width), 1)


def _recolour(pictures: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """RGB (B, W, height, width, 3) in 0 to 1 with another saturation and hue in HSV; factors (B, 1, 1, 1)."""
    high, low = pictures.amax(-1), pictures.amin(-1)
    red, green, blue = pictures.unbind(-1)
    chroma = high - low
    safe = chroma.clamp(min=1e-8)
    sector = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    # Of a colour of value `high`, saturation scales the chroma; more than all of it is not to be had.
    chroma = torch.minimum(chroma * saturation, high)
    offsets = torch.tensor([5.0, 3.0, 1.0], device=pictures.device)
    place = (offsets + (sector + 6 * hue)[..., None]) % 6
    share = torch.minimum(place, 4 - place).clamp(0.0, 1.0)
    return high[..., None] - chroma[..., None] * share
