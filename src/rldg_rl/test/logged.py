# SPDX-License-Identifier: Apache-2.0
"""A log and a clock for modules that are tested without a node."""

from __future__ import annotations


class Logged:
    """Implements `log.Log`; keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    def warning(self, message: str) -> None:
        self.lines.append(f"warning: {message}")

    def error(self, message: str, *, throttle_duration_sec: float = 0.0) -> None:
        self.lines.append(f"error: {message}")


class Clock:
    """Stands still but for what is waited."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
