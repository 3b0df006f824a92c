# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in the middle of a control step ends it first: bag and learner are then whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StepBoundary:
    """Where an episode may be interrupted."""

    def __init__(self) -> None:
        self._inside = self._asked = False

    def begin(self) -> None:
        """An episode has begun."""
        self._inside = True

    def end(self) -> None:
        """It is over."""
        self._inside = False

    def reached(self) -> None:
        """A step is about to begin.

        Raises:
            KeyboardInterrupt: somebody wants to stop.
        """
        if self._asked:
            raise KeyboardInterrupt

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Until the end of the block SIGINT waits for the boundary; outside of episodes, or sent twice, it does not."""

        def ask(_: int, __: FrameType | None) -> None:
            if self._asked or not self._inside:
                raise KeyboardInterrupt
            self._asked = True

        before = signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
