# SPDX-License-Identifier: Apache-2.0
"""How a student is trained: every field is an option of `distill` and a row of its table in the docs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rldg_distill.training.augmentation import RECIPES

SCHEDULES = ("cosine", "constant")
PRECISIONS = ("auto", "fp32", "bf16")
CHANGEABLE = (
    "steps",
    "patience",
    "shard",
    "workers",
    "cache",
    "validate_every",
    "validate_samples",
    "checkpoint_every",
    "log_every",
)
"""options that a training which goes on may be given anew"""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything but the data and the student's own options.

    Raises:
        ValueError: a value that cannot be; the message lists those that can.
    """

    init: Path | None = None
    """what to start from: the folder of an official checkpoint, or a student's run, or its `checkpoints/student`"""
    weights: tuple[float, ...] = ()
    """share of every dataset in the batches, in any unit; by default every step is as likely as any other"""
    loss: str = ""
    """what is imitated: own (the executed action), teacher_kl (the teacher's distribution) or teacher_expected (its
    mean action). By default the student's first"""
    steps: int = 5000
    """updates"""
    batch_size: int = 64
    """samples of one pass of one process"""
    accumulate: int = 1
    """passes per update; a process sees batch-size times so many samples in an update"""
    learning_rate: float = 3e-4
    """of AdamW, at its peak"""
    schedule: str = "cosine"
    """of the learning rate behind the warm-up: cosine (down to 0) or constant"""
    warmup: int = 100
    """updates over which the learning rate rises from 0"""
    weight_decay: float = 0.01
    """of matrices and filters; biases and scales have none"""
    clip: float = 1.0
    """greatest norm of the gradient; 0: no limit"""
    ema: float = 0.0
    """decay of the moving average of the weights, which is validated and kept as the student; 0: no average"""
    augment: str = "none"
    """how training images change: none, octo or openvla"""
    crop: bool = True
    """whether augmentation cuts out parts too; the policy is then shown the centre of that size"""
    seed: int = 0
    """of weights, order, noise and augmentation"""
    precision: str = "auto"
    """fp32 or bf16 (autocast, weights stay fp32); auto: bf16 on a GPU that has it"""
    device: str = "auto"
    """cpu or cuda; auto: cuda where there is one"""
    processes: int = 0
    """that train together, each on its own samples; 0: one per GPU, or one on the processor"""
    shard: bool = False
    """whether the processes divide weights, gradients and optimiser state among them, instead of each holding all"""
    workers: int = 0
    """threads that read and decode, per process; 0: as many as the processor has cores to spare, at most 8"""
    cache: int = 1024
    """MB of decoded images that a process keeps, so that they need not be decoded in every epoch"""
    validate_every: int = 500
    """updates between two looks at the split val; 0: only at the end"""
    validate_samples: int = 512
    """steps of val that are looked at, spread evenly over it; 0: all"""
    patience: int = 0
    """stop after so many validations without a lower loss and keep the best student; 0: go on and keep the last"""
    checkpoint_every: int = 500
    """updates between two checkpoints"""
    log_every: int = 20
    """updates between two points of the loss curve"""

    def __post_init__(self) -> None:
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("augment", self.augment, tuple(RECIPES))
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("device", self.device, ("auto", "cpu", "cuda"))
        for name in ("steps", "batch_size", "accumulate", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not 0 <= value < math.inf:
                raise ValueError(f"{field.name} must not be below 0, and is {value}")
        if not self.learning_rate > 0 or not self.ema < 1:
            raise ValueError("learning_rate must be above 0 and ema below 1")
        if self.patience and not self.validate_every:
            raise ValueError("patience counts validations: give validate_every")

    def idle(self, datasets: int) -> dict[str, str]:
        """Options that change nothing under the others, with this number of datasets: why, by name."""
        return {"weights": "there is one dataset, all batches are of it"} if datasets == 1 else {}

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """What of this may not differ from the values of an earlier start, and does."""
        return [
            f"{name} {other.get(name)} -> {value}"
            for name, value in plain(self).items()
            if name not in CHANGEABLE and other.get(name) != value
        ]


def plain(config: Any) -> dict[str, Any]:
    """A configuration as JSON holds it."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {
        name: str(value)
        if isinstance(value, Path)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }


def _one_of(name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ValueError(f"no {name} '{value}'; there are: {', '.join(valid)}")
