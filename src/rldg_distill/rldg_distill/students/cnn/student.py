# SPDX-License-Identifier: Apache-2.0
"""The simplest student that sees, to measure the others by: convolutions over one image, the state, a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rldg_distill.students.batch import Inputs
from rldg_distill.students.card import DataCard
from rldg_distill.students.gaussian import GaussianStudent
from rldg_distill.students.language import MiniLM
from rldg_distill.students.student import StudentConfig

CHANNELS = (32, 64, 64, 64)
STRIDE = 2 ** len(CHANNELS)


@dataclass
class CnnConfig(StudentConfig):
    """A convolutional network and what it sees."""

    camera: str = "image"
    """the one that it looks through"""
    side: int = 64
    """[pixel] of the square image"""
    width: int = 256
    """of the hidden layers"""
    state: bool = True
    """whether it is given the proprioceptive state"""
    most: ClassVar[Mapping[str, int]] = {**StudentConfig.most, "side": 512, "width": 4096}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side < STRIDE or self.side % STRIDE:
            raise ValueError(f"side is {self.side}: {STRIDE} must divide it")
        if self.width < 1:
            raise ValueError("width must be 1 or more")


class CnnStudent(GaussianStudent):
    """A Gaussian before tanh for the motion, as the specialists have it; of the window it sees the last step alone."""

    name = "cnn"
    sizes = ("tiny",)
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {"learning_rate": 1e-3, "ema": 0.999, "steps": 6000}
    }
    config: CnnConfig

    def __init__(self, config: CnnConfig, data: DataCard) -> None:
        super().__init__(config, data)
        channels = (3, *CHANNELS)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.ReLU()]
        self.eye = nn.Sequential(*layers, nn.Flatten())
        self.language = MiniLM()
        seen = CHANNELS[-1] * (config.side // STRIDE) ** 2
        seen += len(data.spaces.state) * config.state + self.language.width
        width = config.width
        self.head = nn.Sequential(
            *(nn.Linear(seen, width), nn.LayerNorm(width), nn.ReLU()),
            *(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU()),
            nn.Linear(width, config.chunk * sum(self.parts)),
        )

    @classmethod
    def configure(cls, size: str) -> CnnConfig:
        """There is one size."""
        return CnnConfig(size=size)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """One square."""
        return {self.config.camera: (self.config.side, self.config.side)}

    def outputs(self, inputs: Inputs) -> Tensor:
        """Of the last step's image and state, and the instruction."""
        pixels = inputs.images[self.config.camera][:, -1].permute(0, 3, 1, 2).float() / 255.0
        instruction = self.language(inputs.instruction)[:, 0].to(pixels.device)
        seen = [self.eye(pixels - 0.5), instruction]
        if self.config.state:
            seen.append(self.normalize_state(inputs.state[:, -1]))
        outputs: Tensor = self.head(torch.cat(seen, -1))
        return outputs


STUDENT = CnnStudent
