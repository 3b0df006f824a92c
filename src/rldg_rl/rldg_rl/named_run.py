# SPDX-License-Identifier: Apache-2.0
"""A run as people name it: by its folder, or by its name in the folder of all runs."""

from __future__ import annotations

from pathlib import Path


def named_run(text: str, runs: Path = Path("runs")) -> Path:
    """The absolute folder that is meant; whether it is there, and holds what is wanted, is the caller's to check."""
    by_name = runs / text
    return (by_name if by_name.is_dir() and not Path(text).is_dir() else Path(text)).absolute()
