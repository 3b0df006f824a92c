# SPDX-License-Identifier: Apache-2.0
"""Somebody's file, opened only where it is one: a pipe, a socket or a device of its name would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open for reading; a link to a file is one.

    Raises:
        OSError: it is no regular file, not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def regular(path: Path) -> bool:
    """Whether it is a file, or a link to one; False where it may not be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False
