# SPDX-License-Identifier: Apache-2.0
"""How fast a run goes, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque

WINDOW_SECONDS = 10.0


class StepRate:
    """Counts steps over the last seconds of wall time."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self) -> None:
        """A control step was executed."""
        self._times.append(time.monotonic())
        while self._times[0] < self._times[-1] - WINDOW_SECONDS:
            self._times.popleft()

    def per_second(self) -> float:
        """Steps per second of wall time."""
        if len(self._times) < 2:
            return 0.0
        return len(self._times) / max(time.monotonic() - self._times[0], 1e-6)

    def seconds_for(self, steps: float) -> float:
        """Wall time that so many steps take at this pace [s]; 0 if nothing is known yet."""
        rate = self.per_second()
        return steps / rate if rate else 0.0
