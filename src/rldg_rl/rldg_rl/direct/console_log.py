# SPDX-License-Identifier: Apache-2.0
"""What a run in one process logs: lines above the panel, or among the lines of a pipe."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True)
class ConsoleLog:
    """Implements `log.Log`."""

    console: Console

    def info(self, message: str) -> None:
        """See `log.Log`."""
        self.console.print(message)

    def warning(self, message: str) -> None:
        """See `log.Log`."""
        self.console.print(f"warning: {message}")

    def error(self, message: str, *, throttle_duration_sec: float = 0.0) -> None:
        """See `log.Log`."""
        self.console.print(f"error: {message}")
