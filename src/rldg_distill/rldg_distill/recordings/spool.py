# SPDX-License-Identifier: Apache-2.0
"""The encoded images of an episode while it is put together: in memory as long as they are few, then on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import overload

IN_MEMORY = 8 << 20
"""[bytes] beyond which they move into a temporary file"""

Span = tuple[int, int]
"""begin and length [bytes]"""


class Spool:
    """Byte strings that are written once and read back in any order."""

    def __init__(self) -> None:
        """Start empty."""
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - lives with the episode

    def add(self, data: bytes) -> Span:
        """Keep it; `read` takes what this returns."""
        begin = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        return begin, len(data)

    def read(self, span: Span) -> bytes:
        """What was added."""
        self._file.seek(span[0])
        return self._file.read(span[1])


class Spooled(Sequence[bytes]):
    """Some of a spool, read when they are asked for."""

    def __init__(self, spool: Spool, spans: Sequence[Span]) -> None:
        """Those of `spans`, in their order."""
        self._spool = spool
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Spooled: ...

    def __getitem__(self, index: int | slice) -> bytes | Spooled:
        if isinstance(index, slice):
            return Spooled(self._spool, self._spans[index])
        return self._spool.read(self._spans[index])
