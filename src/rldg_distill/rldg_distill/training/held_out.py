# SPDX-License-Identifier: Apache-2.0
"""How good a student is on steps that it was not trained on: its loss, and how far its actions are off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rldg_distill.students.batch import StudentBatch
from rldg_distill.students.student import Student
from rldg_distill.training.loader import Assembler

DIMENSIONS = (
    *((f"translation_{axis} [mm]", 1e3) for axis in "xyz"),
    *((f"rotation_{axis} [mrad]", 1e3) for axis in "xyz"),
    ("gripper", 1.0),
)
"""name and factor from dataset units of every dimension of an action error"""
SEED = 20_241_212
"""of the noise that some students draw; the same at every validation, so that they compare"""


@dataclass(frozen=True)
class Judged:
    """What `HeldOut.judge` found, as much as is reported of it again.

    Raises:
        ValueError: an error is missing.
    """

    loss: float
    action_error: dict[str, float]
    first_action_error: dict[str, float]

    def __post_init__(self) -> None:
        for errors in (self.action_error, self.first_action_error):
            if missing := {name for name, _ in DIMENSIONS} - errors.keys():
                raise ValueError(f"no error of {min(missing)}")


class HeldOut:
    """Steps of the split val, always the same ones."""

    def __init__(self, assembler: Assembler, steps: int, samples: int, batch_size: int) -> None:
        """Choose.

        Args:
            assembler: makes batches of them.
            steps: of the split.
            samples: how many of them, evenly spread; 0: all.
            batch_size: at once.
        """
        count = min(samples or steps, steps)
        self._steps = np.linspace(0, steps - 1, count).round().astype(np.int64)
        self._assembler, self._size = assembler, batch_size

    def _batches(self, student: Student) -> Iterator[StudentBatch]:
        for start in range(0, len(self._steps), self._size):
            batch = self._assembler.batch(self._steps[start : start + self._size])
            batch = batch.to(student.device)
            yield replace(batch, images=student.shown(batch.images))

    @torch.no_grad()
    def judge(self, student: Student, kind: str) -> dict[str, Any]:
        """Mean loss with its parts, and the mean absolute error of the actions.

        Returns:
            `loss` and its parts; `action_error`: per dimension, over all actions of a chunk within the episode;
            `first_action_error`: of the chunk's first action alone. mm, mrad, gripper 0 to 1.
        """
        trained = student.training
        student.eval()
        devices = [student.device] if student.device.type == "cuda" else []
        losses: dict[str, float] = defaultdict(float)
        errors, first = torch.zeros(7), torch.zeros(7)
        counted = 0.0
        with torch.random.fork_rng(devices):
            torch.manual_seed(SEED)
            for batch in self._batches(student):
                for name, value in student(batch, kind).items():
                    losses[name] += float(value) * len(batch)
                distance = _distance(student.predict(batch), batch).cpu()
                errors += distance.sum((0, 1))
                first += distance[:, 0].sum(0)
                counted += float(batch.action_mask[:, -1].sum())
        student.train(trained)
        factors = torch.tensor([factor for _, factor in DIMENSIONS])
        total = len(self._steps)
        return {name: value / total for name, value in losses.items()} | {
            "action_error": _named(errors * factors / max(counted, 1)),
            "first_action_error": _named(first * factors / total),
        }


def _distance(predicted: Tensor, batch: StudentBatch) -> Tensor:
    """(B, K, 7) absolute error, 0 where the action does not count."""
    error = (predicted.float() - batch.action[:, -1]).abs()
    return error * batch.action_mask[:, -1, :, None]


def _named(values: Tensor) -> dict[str, float]:
    return {
        name: round(float(value), 4) for (name, _), value in zip(DIMENSIONS, values, strict=True)
    }
