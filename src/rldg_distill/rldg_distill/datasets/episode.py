# SPDX-License-Identifier: Apache-2.0
"""An episode as a dataset holds it: T steps as arrays, images encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.space import Spaces
from rldg_core.task import ActionScale

NO_TEACHER = -1
"""version of a step that no policy decided"""


class BadBag(ValueError):
    """A bag that cannot become an episode; the message says why and, where possible, what to do."""


@dataclass(frozen=True)
class EpisodeMetadata:
    """Where an episode comes from; the dataset's `episode_metadata`."""

    task: str
    """family, e.g. connector"""
    variant: str
    """e.g. vga"""
    source: str
    """of `Source`"""
    seed: int
    """of the environment's reset"""
    success: bool
    embodiment: str
    region: str
    domain: str
    """sim, or the name of the real set-up"""
    bag: str
    """run/episode"""
    scale: tuple[float, ...]
    """what an action of 1.0 of the teacher stands for, in the dataset's units, of every number but the switches"""

    @property
    def task_id(self) -> str:
        """`family/variant`."""
        return f"{self.task}/{self.variant}"

    @property
    def action_scale(self) -> np.ndarray:
        """(M,) float32: `scale`, of an arm 6 numbers in m and rad."""
        return np.array(self.scale, np.float32)


@dataclass(frozen=True)
class Episode:
    """T steps: what was seen, what was done, and what came of it. An action has A numbers, a state S."""

    metadata: EpisodeMetadata
    images: Mapping[str, Sequence[bytes]]
    """T encoded images of every camera; there may be none"""
    state: np.ndarray
    """(T, S) float32, as `spaces` names it"""
    action: np.ndarray
    """(T, A) float32, as `spaces` names it"""
    instruction: list[str]
    """the task in words, T times"""
    reward: np.ndarray
    """(T,) float32"""
    discount: np.ndarray
    """(T,) float32: 0 where the episode terminated, else 1"""
    is_first: np.ndarray
    """(T,) bool"""
    is_last: np.ndarray
    """(T,) bool"""
    is_terminal: np.ndarray
    """(T,) bool: the task ended here; a time-out does not count"""
    executed_by: np.ndarray
    """(T,) int64: 0 policy, 1 intervention, 2 demonstration"""
    teacher_mean: np.ndarray
    """(T, A) float32: mean of the policy's Gaussian before tanh, in units of its action scale; 0 where it has none"""
    teacher_log_std: np.ndarray
    """(T, A) float32"""
    teacher_version: np.ndarray
    """(T,) int64: update count of its weights, `NO_TEACHER` where no policy ran"""
    image_stamp: np.ndarray
    """(T,) int64 [ns] of ROS time; without a camera, that of the state"""
    state_stamp: np.ndarray
    """(T,) int64 [ns] of ROS time"""
    remarks: tuple[str, ...] = ()
    """what of its bag was left out; no dataset holds it"""
    spaces: Spaces = ARM
    """what the numbers of state and action mean"""

    def __len__(self) -> int:
        return len(self.action)


def arm_scale(translation: float, rotation: float) -> tuple[float, ...]:
    """`EpisodeMetadata.scale` of an arm.

    Args:
        translation: [m] of a full action per control step.
        rotation: [rad].
    """
    return (translation,) * 3 + (rotation,) * 3


def dataset_action(action: np.ndarray, scale: ActionScale) -> np.ndarray:
    """Actions of an arm by the contract, (T, 7) in [-1, 1], as the dataset holds them.

    The motion in m and rad, computed in float32: `action * float32(scale)`. The gripper from -1 (closed), +1 (open)
    to 0, 1.
    """
    unit = np.array(arm_scale(scale.translation, scale.rotation), np.float32)
    action = np.asarray(action, np.float32).reshape(-1, len(ARM.action))
    gripper = (action[:, 6:] + np.float32(1)) * np.float32(0.5)
    return np.concatenate([action[:, :6] * unit, gripper], axis=1)


def padded(values: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Vectors of up to `size` numbers as one (T, size) float32 array, zeros behind them."""
    rows = np.zeros((len(values), size), np.float32)
    for row, value in zip(rows, values, strict=True):
        row[: len(value)] = value
    return rows
