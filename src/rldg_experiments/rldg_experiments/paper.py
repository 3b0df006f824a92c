# SPDX-License-Identifier: Apache-2.0
"""What the paper reports (Xu et al. 2024, arXiv:2412.09858), as far as it is known as a number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rldg_core.files.checked_file import read_yaml

NUMBERS = Path(__file__).parent / "paper.yaml"


@dataclass(frozen=True)
class Number:
    """One result of the paper."""

    family: str
    where: str
    """seen or unseen"""
    figure: int
    """of the paper"""
    policy: str
    """OpenVLA, Octo or specialist"""
    source: str
    """of its data: human or rldg; empty for a specialist"""
    text: str
    """as it is reported"""
    rate: float | None = None
    """share of successes, where it follows from the text"""
    second_hand: bool = False
    """taken from what others write about the paper"""


@cache
def numbers() -> tuple[Number, ...]:
    """All of them."""
    return read_yaml(NUMBERS, tuple[Number, ...], strict=True)


def beside(family: str, where: str) -> list[Number]:
    """Those of figure 4 that stand beside ours."""
    return [n for n in numbers() if (n.family, n.where, n.figure) == (family, where, 4)]
