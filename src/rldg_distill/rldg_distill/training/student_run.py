# SPDX-License-Identifier: Apache-2.0
"""`runs/<name>/` of a distillation: where everything lies, and one process at a time that writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import FormatError, parse_json, typed
from rldg_core.files.claim import Claim
from rldg_core.run_paths import RunPaths
from rldg_core.user_error import UserError


class StudentRunError(UserError):
    """The folder cannot serve this training; the message says why and what to do."""


@dataclass(frozen=True)
class StudentRun(RunPaths):
    """Small files of a distillation."""

    @property
    def metrics(self) -> Path:
        """One line of JSON per point of the loss curve."""
        return self.path / "metrics.jsonl"

    @property
    def curve(self) -> Path:
        """The loss curve as a picture."""
        return self.path / "loss_curve.png"

    @property
    def settings(self) -> Path:
        """The options that it was started with."""
        return self.path / "distill.json"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Have the folder for this process alone.

        Raises:
            InUse: another process has it.
            StudentRunError: it cannot be written, or it is a run of another kind.
        """
        if self.bags.exists():
            raise StudentRunError(f"{self.path} is a run with bags: give another --name")
        try:
            self.student_training.parent.mkdir(parents=True, exist_ok=True)
            claim = Claim(self.path, f"{self.path} is in use: wait for it, or give another --name")
        except OSError as error:
            raise StudentRunError(f"cannot write {self.path}: {error.strerror}") from error
        with claim:
            yield

    def lines(self) -> list[dict[str, Any]]:
        """The points of the loss curve so far; what a kill or a power cut spoiled is left out."""
        if not self.metrics.is_file():
            return []
        whole = self.metrics.read_text(errors="replace").split("\n")[:-1]
        return [point for line in whole if (point := _point(line, self.metrics))]

    def keep_lines(self, step: int) -> None:
        """Forget the points behind an update: they come again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_atomically(self.metrics, "".join(json.dumps(line) + "\n" for line in kept))


@dataclass(frozen=True)
class _Validation:
    loss: float


@dataclass(frozen=True)
class _Point:
    """What is relied on of a point of the loss curve."""

    step: int
    loss: float | None = None
    samples_per_second: float | None = None
    validation: _Validation | None = None

    def __post_init__(self) -> None:
        if (self.loss is None) != (self.samples_per_second is None):
            raise ValueError("a loss without speed, or a speed without loss")


def _point(line: str, path: Path) -> dict[str, Any] | None:
    try:
        content = parse_json(line, dict[str, Any], str(path))
        typed(content, _Point, str(path))
    except FormatError:
        return None
    return content
