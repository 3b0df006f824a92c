# SPDX-License-Identifier: Apache-2.0
"""The one lock: a folder for one process at a time.

The lock is the kernel's (flock) and not the file's existence, so a killed process leaves nothing that a person must
delete.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from rldg_core.user_error import UserError

LOCK = ".lock"
"""of the file that is locked"""


class InUse(UserError):
    """Another process has the claim."""


class Claim:
    """Held from its making until `release`, the end of its `with` block, or the end of the process."""

    def __init__(self, folder: Path, refusal: str) -> None:
        """Take it at once, or not at all.

        Args:
            folder: made where it is missing.
            refusal: what a person reads if another process has it: what that means, and what to do.

        Raises:
            InUse: another process has it.
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if isinstance(error, BlockingIOError):
                raise InUse(refusal) from None
            raise

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._file)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
