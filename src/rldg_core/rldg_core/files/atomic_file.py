# SPDX-License-Identifier: Apache-2.0
"""Small files that are there whole, or as they were before."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one go: a kill or a power cut leaves the old one or the new one.

    Raises:
        OSError: the disk is full, or the like; the old file stays.
    """
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        settle(file.fileno())
    os.replace(draft, path)
    settle_folder(path.parent)


def settle(file: int) -> None:
    """Wait until the disk has what was written to an open file: a file that exists is then whole."""
    os.fsync(file)


def settle_folder(folder: Path) -> None:
    """Wait until the disk knows of a folder's new or renamed files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
