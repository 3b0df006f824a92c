# SPDX-License-Identifier: Apache-2.0
"""All that the next update depends on, in one safetensors file: weights that move, their average, AdamW's moments, and
as JSON in its header the update's number and the loader's place. Random numbers need no state: every pass is seeded by
its own number (see `training`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rldg_core.files.atomic_file import written_whole
from rldg_core.files.checked_file import FormatError, parse_json, typed
from rldg_distill.students.card import StudentError
from rldg_distill.students.student import Student
from rldg_distill.training.held_out import Judged
from rldg_distill.training.sharding import divided_as
from rldg_distill.weights import WeightsError, check_fit, check_numbers

_PROGRESS = "progress"
FIX = "delete it to train from the beginning"


@dataclass
class TrainingProgress:
    """How far a training has come.

    Raises:
        ValueError: so far it cannot have come.
    """

    step: int = 0
    """updates done"""
    seconds: float = 0.0
    """of wall time spent on them"""
    loader: dict[str, Any] | None = None
    """place in the order of the steps"""
    validated: int = -1
    """updates done at the last validation that counts; one that a stop brings does not"""
    validation: dict[str, Any] = field(default_factory=dict)
    """what the last one found"""
    best: float | None = None
    """lowest validation loss of those that count"""
    best_validation: dict[str, Any] = field(default_factory=dict)
    """what the validation with that loss found, where that student is kept: with patience"""
    stale: int = 0
    """of those that count, since then"""

    def __post_init__(self) -> None:
        if self.step < 0 or self.stale < 0 or self.seconds < 0:
            raise ValueError("a number below 0")
        for found in (self.validation, self.best_validation):
            if found:
                typed(found, Judged, "a validation")

    def is_best(self) -> bool:
        """Whether the last validation found a lower loss than all before it."""
        loss = self.validation.get("loss", math.inf)
        return self.best is None or bool(loss < self.best)


def moving(student: Student) -> dict[str, Tensor]:
    """Parameters that are trained and buffers that are kept, by name."""
    kept = student.state_dict().keys()
    parameters = {name: p for name, p in student.named_parameters() if p.requires_grad}
    return parameters | {name: b for name, b in student.named_buffers() if name in kept}


class Average:
    """Exponential moving average of the parameters that are trained; in its first updates it forgets faster."""

    def __init__(self, student: Student, decay: float) -> None:
        """Begin with the present weights."""
        self._decay = decay
        self._names = [name for name, p in student.named_parameters() if p.requires_grad]
        self._live: list[Tensor] = [p for p in student.parameters() if p.requires_grad]
        self._mean = [p.detach().clone() for p in self._live]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The average by the parameters' names."""
        return dict(zip(self._names, self._mean, strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights of an update."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, [p.detach() for p in self._live], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Put the average into the student and keep the weights here; once more puts them back."""
        for live, mean in zip(self._live, self._mean, strict=True):
            kept = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)


def tensors(
    student: Student, optimizer: torch.optim.Optimizer, average: Average | None
) -> dict[str, Tensor]:
    """What `save` writes, by name."""
    found = {f"student.{name}": tensor for name, tensor in moving(student).items()}
    for name, parameter in student.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"optimizer.{key}.{name}"] = value
    for name, tensor in (average.tensors if average else {}).items():
        found[f"average.{name}"] = tensor
    return found


def save(path: Path, tensors: Mapping[str, Tensor], progress: TrainingProgress) -> None:
    """Write everything; after a crash the old or the new file is there, whole."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with written_whole(path) as draft:
        safetensors.torch.save_file(contiguous, draft, {_PROGRESS: json.dumps(asdict(progress))})


def load(
    path: Path,
    student: Student,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
) -> TrainingProgress:
    """Put back what `save` wrote, one tensor after the other.

    Raises:
        StudentError: the file is damaged, or of another student.
    """
    progress, names = _header(path)
    for name, parameter in student.named_parameters():
        if f"optimizer.step.{name}" in names:
            step = torch.zeros((), device=parameter.device)
            moments = {key: torch.zeros_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
            optimizer.state[parameter] = {"step": step, **moments}
    into = tensors(student, optimizer, average)
    if missing := sorted(into.keys() - names):
        raise StudentError(f"{path} is of another student: it has no {missing[0]}. {FIX}")
    with safe_open(path, "pt", device=str(student.device)) as file, torch.no_grad():
        for name, tensor in into.items():
            found = file.get_tensor(name)
            try:
                check_fit({name: found}, {name: tensor}, path, FIX)
                check_numbers({name: found}, path, FIX)
            except WeightsError as error:
                raise StudentError(str(error)) from error
            tensor.copy_(divided_as(found, tensor))
    return progress


def _header(path: Path) -> tuple[TrainingProgress, set[str]]:
    """How far it was, and the names of the tensors."""
    try:
        with safe_open(path, "pt") as file:
            progress, names = (file.metadata() or {})[_PROGRESS], set(file.keys())
        return parse_json(progress, TrainingProgress, f"what the header of {path} tells"), names
    except (OSError, SafetensorError, LookupError, ValueError, FormatError) as error:
        raise StudentError(f"{path} cannot be read ({error}): {FIX}") from error


def count_parameters(module: nn.Module, moved: bool = False) -> int:
    """Number of parameters; `moved`: of those that are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not moved)
