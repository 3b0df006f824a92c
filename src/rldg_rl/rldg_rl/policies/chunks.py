# SPDX-License-Identifier: Apache-2.0
"""Which action a control step takes out of overlapping predictions of the next K."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Execution:
    """How chunks are carried out."""

    horizon: int = 1
    """control steps after which a new chunk is wanted, at the latest where the newest ends; 1: one for every step"""
    ensemble: float | None = None
    """temporal ensembling (ACT, Zhao et al. 2023): the mean over all chunks that foresaw a step, the n-th oldest
    weighted by exp(-ensemble * n); None: the newest chunk alone"""

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ValueError(f"a chunk is carried out for {self.horizon} steps, but 1 is the least")


@dataclass
class Chunks:
    """Chunks of one episode. Steps are counted from its start."""

    execution: Execution = field(default_factory=Execution)
    _chunks: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def add(self, step: int, actions: np.ndarray) -> None:
        """Take actions (K, A) for the steps from `step` on: the step whose observation they were made from."""
        self._chunks.append((step, actions))

    def wants(self, step: int) -> bool:
        """Whether a chunk made from this step's observation is due."""
        if not self._chunks:
            return True
        start, chunk = self._chunks[-1]
        return step - start >= min(self.execution.horizon, len(chunk))

    def action(self, step: int) -> np.ndarray | None:
        """The action (A,) of a step; None where no chunk reaches this far."""
        self._chunks = [(s, chunk) for s, chunk in self._chunks if step < s + len(chunk)]
        foreseen = [chunk[step - s] for s, chunk in self._chunks if s <= step]
        if not foreseen:
            return None
        if self.execution.ensemble is None:
            return foreseen[-1]
        weights = np.exp(-self.execution.ensemble * np.arange(len(foreseen)))
        return np.average(foreseen, axis=0, weights=weights)
