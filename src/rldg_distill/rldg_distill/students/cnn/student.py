# SPDX-License-Identifier: Apache-2.0
"""The simplest student, to measure the others by: convolutions over one image, the state, a sentence, a Gaussian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rldg_distill.datasets.episode import STATE_DIM
from rldg_distill.students.batch import Inputs, StudentBatch
from rldg_distill.students.card import DataCard, StudentError
from rldg_distill.students.language import MiniLM
from rldg_distill.students.student import Student, StudentConfig
from rldg_distill.students.teacher import expected_action, gaussian_kl, masked_mean

CHANNELS = (32, 64, 64, 64)
STRIDE = 2 ** len(CHANNELS)
LOG_STD = (-5.0, 1.0)
"""least and most"""


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


class CnnStudent(Student):
    """A Gaussian before tanh for the motion, as the specialists have it; the gripper between 0 and 1.

    Units of the motion: a full action of the teachers, the greatest where they differ. Of the window it sees the last
    step alone. A policy acts on the mean.
    """

    name = "cnn"
    sizes = ("tiny",)
    losses = ("own", "teacher_kl", "teacher_expected")
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {"learning_rate": 1e-3, "ema": 0.999, "steps": 6000}
    }
    config: CnnConfig
    unit: Tensor

    def __init__(self, config: CnnConfig, data: DataCard) -> None:
        super().__init__(config, data)
        if not data.action_scales:
            raise StudentError("the data have no action scale, which this student predicts in")
        unit = torch.tensor(data.action_scales).amax(0)
        self.register_buffer("unit", unit, persistent=False)
        channels = (3, *CHANNELS)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.ReLU()]
        self.eye = nn.Sequential(*layers, nn.Flatten())
        self.language = MiniLM()
        seen = CHANNELS[-1] * (config.side // STRIDE) ** 2
        seen += STATE_DIM * config.state + self.language.width
        width = config.width
        self.head = nn.Sequential(
            *(nn.Linear(seen, width), nn.LayerNorm(width), nn.ReLU()),
            *(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU()),
            nn.Linear(width, config.chunk * 13),
        )

    @classmethod
    def configure(cls, size: str) -> CnnConfig:
        """There is one size."""
        return CnnConfig(size=size)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """One square."""
        return {self.config.camera: (self.config.side, self.config.side)}

    def loss(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """Squared error of the tanh of the mean, in full actions; or the divergence from the teacher.

        own: from the actions that were done. teacher_expected: from the teacher's mean action. teacher_kl: of the
        student's Gaussian from the teacher's where it is known, and the squared error elsewhere.

        Raises:
            StudentError: teacher_kl with teachers of different scales.
        """
        mean, log_std, gripper = self._predicted(batch)
        action = (expected_action(batch) if kind == "teacher_expected" else batch.action)[:, -1]
        mask, known = batch.action_mask[:, -1], batch.teacher_mask[:, -1]
        error = (mean.tanh() - action[..., :6] / self.unit).square()
        parts = {"gripper": masked_mean((gripper.sigmoid() - action[..., 6]).square(), mask)}
        if kind == "teacher_kl":
            if len(self.data.action_scales) > 1:
                raise StudentError(
                    "the teachers' actions have different scales, so their distributions do not compare: "
                    "--loss teacher_expected, or one student per scale"
                )
            teacher = batch.teacher_mean[:, -1, :, :6], batch.teacher_log_std[:, -1, :, :6]
            parts["kl"] = masked_mean(gaussian_kl(*teacher, mean, log_std), known)
            mask = mask & ~known
        parts["motion"] = masked_mean(error, mask)
        return {"loss": torch.stack(list(parts.values())).sum()} | parts

    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, 7): tanh of the mean."""
        mean, _, gripper = self._predicted(inputs)
        motion = mean.float().tanh() * self.unit
        return torch.cat((motion, gripper.float().sigmoid()[..., None]), -1)

    def _predicted(self, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and logarithm of the standard deviation (B, K, 6), and the gripper before its sigmoid (B, K)."""
        pixels = inputs.images[self.config.camera][:, -1].permute(0, 3, 1, 2).float() / 255.0
        instruction = self.language(inputs.instruction)[:, 0].to(pixels.device)
        seen = [self.eye(pixels - 0.5), instruction]
        if self.config.state:
            seen.append(self.normalize_state(inputs.state[:, -1]))
        outputs = self.head(torch.cat(seen, -1)).unflatten(-1, (self.config.chunk, 13))
        mean, log_std, gripper = outputs.split((6, 6, 1), -1)
        return mean, log_std.clamp(*LOG_STD), gripper[..., 0]


STUDENT = CnnStudent
