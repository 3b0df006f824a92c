# SPDX-License-Identifier: Apache-2.0
"""An episode that is to be run, by its number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """Which episode of which task; a `pool.Job`."""

    task: str
    """family/variant"""
    number: int

    @property
    def name(self) -> str:
        """For people."""
        return f"episode {self.number} of {self.task}"
