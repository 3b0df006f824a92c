# SPDX-License-Identifier: Apache-2.0
"""What a sweep found out at one station."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SweepFinding:
    """How a policy fared at a station."""

    run: str
    axis: str
    value: float
    """in SI units"""
    evaluation: str
    """its folder"""
    figures: dict[str, Any]
    """see `results.judge`"""
