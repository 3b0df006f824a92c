# SPDX-License-Identifier: Apache-2.0
"""How fast a run goes, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque

from rldg_rl.actor import DEMONSTRATION, EVALUATION
from rldg_rl.schedule import Progress

WINDOW_SECONDS = 10.0
TYPICAL_STEPS = {DEMONSTRATION: 55.0, EVALUATION: 20.0}
"""steps of an episode before any was seen"""


class Pace:
    """Counts steps over the last seconds of wall time."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self) -> None:
        """A step was lived."""
        self._times.append(time.monotonic())
        while self._times[0] < self._times[-1] - WINDOW_SECONDS:
            self._times.popleft()

    def per_second(self) -> float:
        """Steps per second of wall time."""
        if len(self._times) < 2:
            return 0.0
        return len(self._times) / max(time.monotonic() - self._times[0], 1e-6)

    def seconds_left(self, progress: Progress) -> float:
        """Estimate for the whole run, if training takes all its steps [s]; 0 if nothing is known yet."""
        rate = self.per_second()
        if rate == 0.0:
            return 0.0
        plan = progress.plan
        steps = float(max(plan.steps - progress.steps, 0)) * (not progress.mastered)
        for source, missing in (
            (DEMONSTRATION, plan.demos - progress.demos),
            (EVALUATION, plan.evaluations - len(progress.finished(EVALUATION))),
        ):
            steps += max(missing, 0) * _mean_steps(progress, source)
        return steps / rate


def _mean_steps(progress: Progress, source: str) -> float:
    episodes = progress.finished(source)
    if not episodes:
        return TYPICAL_STEPS[source]
    return sum(e.steps for e in episodes) / len(episodes)
