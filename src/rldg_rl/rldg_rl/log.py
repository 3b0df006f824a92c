# SPDX-License-Identifier: Apache-2.0
"""A log as plain modules write to it: a node's logger offers this much."""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """Lines for people, by how much they matter."""

    def info(self, message: str) -> object:
        """What went as it should."""

    def warning(self, message: str) -> object:
        """What was worked around."""

    def error(self, message: str, *, throttle_duration_sec: float = 0.0) -> object:
        """What somebody has to mend; the same line at most once in so many seconds."""
