# SPDX-License-Identifier: Apache-2.0
"""Crops and colours against their definitions, and the evaluation's crop against theirs."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from rldg_distill.students.images import fit
from rldg_distill.training.augmentation import RECIPES, AugmentationRecipe, augment

STILL = AugmentationRecipe((1.0, 1.0), (1.0, 1.0), 0.0, (1.0, 1.0), (1.0, 1.0), 0.0)


@pytest.fixture
def images() -> torch.Tensor:
    """(3, 2, 24, 32, 3), smooth, the second of every pair the first again."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (3, 1, 6, 8, 3), generator=generator, dtype=torch.uint8)
    return fit(coarse, (24, 32)).repeat(1, 2, 1, 1, 1)


def changed(
    images: torch.Tensor, recipe: AugmentationRecipe, crop: bool = False, seed: int = 0
) -> torch.Tensor:
    size = (images.shape[2], images.shape[3])
    return augment(images, recipe, crop, size, torch.Generator().manual_seed(seed))


def test_nothing_changes_where_nothing_may(images: torch.Tensor) -> None:
    assert torch.equal(changed(images, STILL), images)
    assert torch.equal(changed(images, STILL, crop=True), images)


@pytest.mark.parametrize("name", ["octo", "openvla"])
def test_the_same_seed_the_same_images_alike_over_a_window(images: torch.Tensor, name: str) -> None:
    recipe = RECIPES[name]
    assert recipe is not None
    once = changed(images, recipe, crop=True)
    assert torch.equal(once, changed(images, recipe, crop=True))
    assert not torch.equal(once, changed(images, recipe, crop=True, seed=1))
    assert torch.equal(once[:, 0], once[:, 1])
    same = images[:1].repeat(3, 1, 1, 1, 1)
    different = changed(same, recipe)
    assert not torch.equal(different[0], different[1])


def test_hue_and_saturation_are_those_of_hsv(images: torch.Tensor) -> None:
    recipe = replace(STILL, saturation=(1.3, 1.3), hue=0.05)
    found = changed(images, recipe)
    generator = torch.Generator().manual_seed(0)
    turns = -0.05 + 0.1 * torch.rand((8, 3), generator=generator)[7]
    for sample in range(3):
        for row, column in ((0, 0), (11, 17), (23, 31)):
            hue, saturation, value = colorsys.rgb_to_hsv(
                *(images[sample, 0, row, column] / 255).tolist()
            )
            wanted = colorsys.hsv_to_rgb(
                (hue + turns[sample].item()) % 1, min(1.0, saturation * 1.3), value
            )
            got = found[sample, 0, row, column] / 255
            assert got.tolist() == pytest.approx(wanted, abs=1 / 255)


def test_brightness_adds_and_contrast_stretches_around_the_mean() -> None:
    grey = torch.full((1, 1, 8, 8, 3), 100, dtype=torch.uint8)
    bright = changed(grey, replace(STILL, brightness=0.2))
    assert bright.unique().numel() == 1 and abs(int(bright.unique()) - 100) <= 51
    half = grey.clone()
    half[:, :, :4] = 140
    stretched = changed(half, replace(STILL, contrast=(1.5, 1.5)))
    assert sorted(stretched.unique().tolist()) == [90, 150]


def test_a_fixed_crop_and_the_evaluations_have_the_same_size(images: torch.Tensor) -> None:
    recipe = RECIPES["openvla"]
    assert recipe is not None and recipe.evaluation_area == 0.9
    ramp = (
        torch.arange(200, dtype=torch.uint8).expand(1, 1, 100, 200)[..., None].repeat(1, 1, 1, 1, 3)
    )
    cut = replace(STILL, area=recipe.area, ratio=recipe.ratio)
    spans = []
    for picture in (changed(ramp, cut, crop=True, seed=4), fit(ramp, (100, 200), 0.9)):
        row = picture[0, 0, 50, :, 0].int()
        spans.append(int(row[-5] - row[5]))
    assert spans[0] == pytest.approx(spans[1], abs=2)
    assert spans[1] == pytest.approx(190 * 0.9**0.5, abs=2)


@pytest.mark.parametrize("size", [(12, 16), (48, 50)])
def test_resizing_is_lanczos(images: torch.Tensor, size: tuple[int, int]) -> None:
    picture = Image.fromarray(images[0, 0].numpy())
    wanted = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.LANCZOS))
    # Pillow rounds between its two passes.
    assert np.abs(fit(images, size)[0, 0].numpy().astype(int) - wanted).max() <= 2
