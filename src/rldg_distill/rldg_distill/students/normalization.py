# SPDX-License-Identifier: Apache-2.0
"""Actions and states as networks like them, by the numbers of `dataset_statistics.json`.

`normal`: (x - mean) / std, as Octo does. `bounds_q99`: q01 and q99 become -1 and 1, what lies beyond is clipped, as
OpenVLA does. Dimensions that the mask leaves out (switches) stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rldg_core.user_error import UserError

NEEDED = {"normal": ("mean", "std"), "bounds_q99": ("q01", "q99")}
"""statistics by kind"""
LARGEST = 1e6
"""of a statistic, in m, rad, N or whatever: float32 still tells steps apart"""
_LEAST = 1e-6
"""a dimension that moves less than this does not move: it becomes 0, and comes back as its mean or q01"""


class MissingStatistic(UserError, ValueError):
    """`dataset_statistics.json` lacks a number; the message says which."""


class Normalizer(nn.Module):
    """x -> scale * (x - offset) over the last dimension, and back."""

    offset: Tensor
    scale: Tensor
    inverse: Tensor
    mask: Tensor

    def __init__(self, kind: str, statistics: Mapping[str, Any], of: str, size: int) -> None:
        """Take the numbers of one quantity.

        Args:
            kind: `normal` or `bounds_q99`.
            statistics: the content of `dataset_statistics.json`.
            of: `action` or `state`.
            size: numbers of one.

        Raises:
            ValueError: no such kind.
            MissingStatistic: a number that the kind needs is missing, or they are of other data.
        """
        super().__init__()
        if kind not in NEEDED:
            raise ValueError(f"no normalisation '{kind}'; there are: {', '.join(NEEDED)}")
        rows = statistics.get(of, {})
        missing = [name for name in (*NEEDED[kind], "mask") if name not in rows]
        if missing:
            raise MissingStatistic(
                f"the statistics of {of} lack {', '.join(missing)}: delete dataset_statistics.json "
                "of the dataset, it is computed anew"
            )
        _check(rows, (*NEEDED[kind], "mask"), of, size)
        first, second = (torch.tensor(rows[name], dtype=torch.float64) for name in NEEDED[kind])
        mask = torch.tensor(rows["mask"], dtype=torch.bool)
        offset, width = (
            (first, second) if kind == "normal" else ((first + second) / 2, (second - first) / 2)
        )
        moves = mask & (width > _LEAST)
        self.bounded = kind == "bounds_q99"
        numbers = {
            "offset": torch.where(mask, offset, 0.0),
            # A dimension that does not move has scale 0 on the way in and on the way back.
            "scale": torch.where(moves, 1 / width.clamp(min=_LEAST), (~mask).double()),
            "inverse": torch.where(moves, width, (~mask).double()),
        }
        for name, values in numbers.items():
            self.register_buffer(name, values.float(), persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Raw (..., D) to normalised (..., D)."""
        normalized = (values - self.offset) * self.scale
        if self.bounded:
            normalized = torch.where(self.mask, normalized.clamp(-1.0, 1.0), normalized)
        return normalized

    def undo(self, normalized: Tensor) -> Tensor:
        """Normalised (..., D) to raw (..., D)."""
        return normalized * self.inverse + self.offset


def _check(rows: Mapping[str, Sequence[float]], names: Sequence[str], of: str, size: int) -> None:
    for name in names:
        row = rows[name]
        if len(row) != size:
            raise MissingStatistic(
                f"the statistics of {of} have {len(row)} numbers for {name}, not {size}: "
                "they are of other data"
            )
        if not all(math.isfinite(number) and abs(number) <= LARGEST for number in row):
            raise MissingStatistic(
                f"the statistics of {of} have a number for {name} that cannot be: "
                "`dataset validate` looks at the data"
            )
