# SPDX-License-Identifier: Apache-2.0
"""The smallest student, for toy problems and as a second reader of every dataset: three hidden layers over states."""

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

HIDDEN = 3
"""layers"""


@dataclass
class MlpConfig(StudentConfig):
    """A multilayer perceptron and what it sees."""

    width: int = 256
    """of the hidden layers"""
    instruction: bool = True
    """whether it reads the instruction, by which tasks differ"""
    most: ClassVar[Mapping[str, int]] = {**StudentConfig.most, "width": 4096}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError("width must be 1 or more")


class MlpStudent(GaussianStudent):
    """Sees the states of its whole window and the instruction; no camera."""

    name = "mlp"
    sizes = ("tiny",)
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {"learning_rate": 1e-3, "ema": 0.999, "steps": 6000}
    }
    config: MlpConfig

    def __init__(self, config: MlpConfig, data: DataCard) -> None:
        super().__init__(config, data)
        self.language = MiniLM() if config.instruction else None
        seen = config.window * len(data.spaces.state)
        seen += self.language.width if self.language else 0
        layers: list[nn.Module] = []
        for before, after in pairwise((seen, *[config.width] * HIDDEN)):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers, nn.Linear(config.width, config.chunk * sum(self.parts))
        )

    @classmethod
    def configure(cls, size: str) -> MlpConfig:
        """There is one size."""
        return MlpConfig(size=size)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """None: it learns from datasets without any image, too."""
        return {}

    def outputs(self, inputs: Inputs) -> Tensor:
        """Of the window's states and the instruction."""
        seen = [self.normalize_state(inputs.state).flatten(1)]
        if self.language:
            seen.append(self.language(inputs.instruction)[:, 0].to(inputs.state.device))
        outputs: Tensor = self.layers(torch.cat(seen, -1))
        return outputs


STUDENT = MlpStudent
