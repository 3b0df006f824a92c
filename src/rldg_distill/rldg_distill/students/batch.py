# SPDX-License-Identifier: Apache-2.0
"""What a student sees and what it is to say: tensors of a batch, arrays of one moment.

B samples, W steps of history (window, oldest first), K actions ahead (chunk). An action has A numbers, of which the
first M are motions and the others switches; a state has S. The spaces of the data name them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor


@dataclass
class Inputs:
    """What a student sees. Tensors on one device."""

    images: dict[str, Tensor]
    """camera -> (B, W, height, width, 3) uint8 RGB"""
    step_mask: Tensor
    """(B, W) bool; False: before the episode began, where images and state repeat its first step"""
    state: Tensor
    """(B, W, S) float32, raw units"""
    instruction: list[str]
    """B"""

    def __len__(self) -> int:
        return len(self.instruction)

    def to(self, device: torch.device) -> Self:
        """The same on another device; from pinned memory without waiting for the copy."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """The same in page-locked memory, from where a GPU copies in the background."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Any) -> Self:
        changed: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = function(value)
            elif isinstance(value, dict):
                changed[field.name] = {name: function(tensor) for name, tensor in value.items()}
        return replace(self, **changed)


@dataclass
class StudentBatch(Inputs):
    """What a student sees, and what was done then.

    The actions of window step w are those of the control steps w, w + 1, ..., w + K - 1. Nothing is dropped: past an
    episode's end the last action is repeated and masked.
    """

    action: Tensor
    """(B, W, K, A) float32 in dataset units, of an arm: m, rad, gripper 1 open and 0 closed"""
    action_mask: Tensor
    """(B, W, K) bool; False past the episode's end, and where the window's step is before its beginning"""
    teacher_mean: Tensor
    """(B, W, K, A) float32: mean of the teacher's Gaussian before tanh, in units of its action scale"""
    teacher_log_std: Tensor
    """(B, W, K, A) float32"""
    teacher_mask: Tensor
    """(B, W, K) bool: a policy's distribution is known and the action counts. It says nothing of switches"""
    action_scale: Tensor
    """(B, M) float32: a full action of the teacher, of an arm in m and rad; tanh(sample) * scale is action[..., :M]"""


@dataclass(frozen=True)
class StudentObservation:
    """What `Student.act` sees: 1 to W steps, oldest first."""

    images: dict[str, np.ndarray]
    """camera -> (steps, height, width, 3) uint8 RGB, of the size that the dataset has"""
    state: np.ndarray
    """(steps, S) float32, raw units"""
