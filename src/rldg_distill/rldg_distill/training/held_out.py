# SPDX-License-Identifier: Apache-2.0
"""How good a student is on steps that it was not trained on: its loss, and how far its actions are off."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rldg_core.space import Space
from rldg_distill.students.batch import StudentBatch
from rldg_distill.students.student import Student
from rldg_distill.training.loader import Assembler

FINER = {"m": ("mm", 1e3), "rad": ("mrad", 1e3)}
"""unit of an error, and the factor to it, by the unit of a number"""
NAMED = re.compile(r"(?P<name>.*?) \[(?P<unit>[^]]*)\]")
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
        if not self.action_error or self.action_error.keys() != self.first_action_error.keys():
            raise ValueError("errors of no action, or of two different ones")


def error_units(action: Space) -> dict[str, float]:
    """Factor from an action's numbers to their errors in a finer unit, by the error's name with that unit.

    Metres become millimetres, radians milliradians; the difference of two rotation vectors is called a rotation. A
    switch has no unit.
    """
    found = {}
    for place, (name, one) in enumerate(zip(action.names, action.unit, strict=True)):
        parts = NAMED.fullmatch(name)
        plain = parts["name"].replace("rotvec_", "rotation_") if parts else name
        if place >= action.motions:
            found[plain] = one
            continue
        unit = parts["unit"] if parts else ""
        finer, factor = FINER.get(unit, (unit, 1.0))
        found[f"{plain} [{finer}]" if finer else plain] = factor * one
    # Two names that differ in the unit alone would become one.
    return found if len(found) == len(action) else dict(zip(action.names, action.unit, strict=True))


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
            `first_action_error`: of the chunk's first action alone. By the names of `error_units`.
        """
        trained = student.training
        student.eval()
        devices = [student.device] if student.device.type == "cuda" else []
        losses: dict[str, float] = defaultdict(float)
        units = error_units(student.data.spaces.action)
        errors, first = torch.zeros(len(units)), torch.zeros(len(units))
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
        factors = torch.tensor(list(units.values()))
        total = len(self._steps)
        return {name: value / total for name, value in losses.items()} | {
            "action_error": _named(units, errors * factors / max(counted, 1)),
            "first_action_error": _named(units, first * factors / total),
        }


def _distance(predicted: Tensor, batch: StudentBatch) -> Tensor:
    """(B, K, A) absolute error, 0 where the action does not count."""
    error = (predicted.float() - batch.action[:, -1]).abs()
    return error * batch.action_mask[:, -1, :, None]


def _named(names: Iterable[str], values: Tensor) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}
