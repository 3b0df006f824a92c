# SPDX-License-Identifier: Apache-2.0
"""A run as people name it: by its folder, or by its name in the folder of all runs."""

from __future__ import annotations

from pathlib import Path

from rldg_core.files.safe_name import is_too_long
from rldg_core.user_error import UserError


def named_run(text: str, runs: Path = Path("runs")) -> Path:
    """The absolute folder that is meant; whether it is there, and holds what is wanted, is the caller's to check.

    Raises:
        UserError: no folder can have that name.
    """
    if is_too_long(text):
        raise UserError(
            f"no run can be called {text[:40]}…: that is longer than a file system takes"
        )
    by_name = runs / text
    return (by_name if by_name.is_dir() and not Path(text).is_dir() else Path(text)).absolute()
