# SPDX-License-Identifier: Apache-2.0
"""How a camera fares: how often pictures come, how old the last one is, what is wrong, and which ones are taken."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rldg_robot.message_values import SECOND

FRESH_SECONDS = 0.2
"""after which a picture is stale: two control steps"""
LEAST_RATE = 15.0
"""[Hz] below which a control step has no picture of its own moment"""
WINDOW_SECONDS = 2.0
EARLY = 0.4
"""of the time between two pictures, by which one may be early: at twice the rate every second one is taken"""


@dataclass(frozen=True)
class Report:
    """What is told of it."""

    ok: bool
    message: str
    rate: float
    """[Hz] of the pictures that came"""
    age: float
    """[s] from the camera's stamp of the last one to now; infinite: none came"""
    delay: float
    """[s] from its stamp to its arrival"""


class CameraWatch:
    """Counts what arrives. All times in seconds of one clock."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()
        self._stamp = self._delay = float("nan")
        self.trouble = ""
        """why pictures cannot be used; empty: they can"""

    def arrived(self, stamp: float, now: float) -> None:
        """A picture that was taken at `stamp` is here."""
        self._arrived.append(now)
        self._stamp, self._delay = stamp, now - stamp

    def report(self, now: float) -> Report:
        """How it is now."""
        while self._arrived and now - self._arrived[0] > WINDOW_SECONDS:
            self._arrived.popleft()
        rate = len(self._arrived) / WINDOW_SECONDS
        age = now - self._stamp if self._stamp == self._stamp else float("inf")
        return Report(
            not (wrong := self._wrong(rate, age)), wrong or "fresh", rate, age, self._delay
        )

    def _wrong(self, rate: float, age: float) -> str:
        if self.trouble:
            return self.trouble
        if age == float("inf"):
            return "no picture has come: is the camera's driver running, and does the topic exist?"
        if age > FRESH_SECONDS:
            return f"the last picture is {age:.1f} s old: the camera stands still, or its clock is another"
        if age < -FRESH_SECONDS:
            return f"pictures come {-age:.1f} s from the future: the camera's clock is another"
        if rate < LEAST_RATE:
            return f"{rate:.0f} pictures/s: a USB 2 port or cable, or the profile is not what was asked for"
        return ""


class Pace:
    """Which pictures of a camera that may be faster are taken, by their stamps alone."""

    def __init__(self, rate: float) -> None:
        """`rate`: most pictures per second."""
        self._period = SECOND / rate
        self._due = 0.0

    def takes(self, stamp: int) -> bool:
        """Whether the one of that stamp [ns] is due; after a jump of the stamps it is."""
        early = EARLY * self._period
        if self._due - self._period <= stamp < self._due - early:
            return False
        # On a grid, so that one that is late does not make all others so.
        follows = self._due - early <= stamp < self._due + self._period
        self._due = (self._due if follows else stamp) + self._period
        return True
