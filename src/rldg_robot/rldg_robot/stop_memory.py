# SPDX-License-Identifier: Apache-2.0
"""Why the gate is stopped, in a file: a gate that dies and is started again does not release anybody's stop."""

from __future__ import annotations

from pathlib import Path

from rldg_robot.atomic_file import write_atomically


class StopMemory:
    """The reason of the stop that is in force; one file for all starts of one stack's gate."""

    def __init__(self, path: str) -> None:
        """Remember in a file; with an empty path, not beyond this process."""
        self._path = Path(path) if path else None

    def recall(self) -> str:
        """The reason that an earlier start left; empty: it was not stopped."""
        if self._path is None or not self._path.exists():
            return ""
        return self._path.read_text()

    def keep(self, reason: str) -> None:
        """Write a reason down; an empty one: the stop was released.

        Raises:
            OSError: it cannot be written.
        """
        if self._path is None:
            return
        if not reason:
            self._path.unlink(missing_ok=True)
            return
        write_atomically(self._path, reason)
