# SPDX-License-Identifier: Apache-2.0
"""What becomes of an arm whose targets stop coming: it is held where it is, then its control ends.

The gate sends one last target when the policy falls silent, and then nothing, be it for a second or for a night. And
if the gate itself dies nothing is published. Either way no person is in control: first the spring that may still press
is let go of, later the robot is left to its own controller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Due(Enum):
    """What silence asks for, once each."""

    NOTHING = "nothing"
    HOLD = "hold"
    """hold the pose that is measured now"""
    STOP = "stop"
    """end the control of the arm"""


@dataclass
class Watchdog:
    """Counts from the last target. Times are monotonic [s]."""

    hold_after: float = 0.5
    """[s]; more than the gate's own patience with a silent policy, 0.3 s, and five targets"""
    stop_after: float = 10.0
    """[s]; a reset that a person is asked about takes longer"""
    _last: float | None = None
    _held: bool = False

    def heard(self, now: float) -> None:
        """A target came."""
        self._last, self._held = now, False

    def age(self, now: float) -> float | None:
        """[s] of the last target; None: there was none, or control ended since."""
        return None if self._last is None else now - self._last

    def due(self, now: float) -> Due:
        """What has become due since it was last asked."""
        age = self.age(now)
        if age is None:
            return Due.NOTHING
        if age > self.stop_after:
            self._last = None
            return Due.STOP
        if age > self.hold_after and not self._held:
            self._held = True
            return Due.HOLD
        return Due.NOTHING
