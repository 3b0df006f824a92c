# SPDX-License-Identifier: Apache-2.0
"""The one durable write: a file or folder is there whole, or as it was before, also after a power cut.

Everything is written under another name, waited for until the disk has it, and only then given its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one go: a kill or a power cut leaves the old one or the new one.

    Raises:
        OSError: the disk is full, or the like; the old file stays.
    """
    with written_whole(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """The path of a draft, for libraries that write files themselves; it becomes the file when the block ends.

    An error in the block takes the draft away and leaves the old file. Where nothing was written nothing changes.

    Raises:
        OSError: the disk is full, or the like; the old file stays.
    """
    draft = path.with_name(f".draft.{path.name}")  # some libraries go by the end of the name
    try:
        yield draft
        if draft.exists():
            publish(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def publish(draft: Path, path: Path) -> None:
    """Give a finished file, or a folder with all that is in it, its name.

    Args:
        draft: what is finished, in the same file system.
        path: its name; a file of that name is replaced, a folder has to be empty.

    Raises:
        OSError: it cannot be renamed, or the disk fails.
    """
    for part in (*draft.rglob("*"), draft):
        if part.is_dir():
            settle_folder(part)
        else:
            with part.open("rb") as file:
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
