# SPDX-License-Identifier: Apache-2.0
"""The file that TensorBoard draws a run from; its writer is loaded with the first point, which takes half a second."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any


class EventFile:
    """Scalars over steps, of which TensorBoard draws curves."""

    def __init__(self, folder: Path) -> None:
        """A file of its own in a folder, both made with the first point."""
        self._folder = folder

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One point of the curve `tag`; it is kept as float32, and written within two minutes."""
        self._writer.add_scalar(tag, value, step)

    def flush(self) -> None:
        """Every point so far is in the file."""
        if "_writer" in self.__dict__:
            self._writer.flush()

    def close(self) -> None:
        """Nothing is added any more."""
        if "_writer" in self.__dict__:
            self._writer.close()

    @cached_property
    def _writer(self) -> Any:
        from tensorboard.summary import Writer  # noqa: PLC0415 - a node that starts needs none of it

        return Writer(str(self._folder))
