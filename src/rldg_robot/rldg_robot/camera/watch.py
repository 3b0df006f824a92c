# SPDX-License-Identifier: Apache-2.0
"""How a camera fares: how often pictures come, how old the last one is, what is wrong, and which ones are taken."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rldg_core.message_values import SECOND, time_span

FRESH_SECONDS = 0.2
"""after which a picture is stale: two control steps"""
LEAST_RATE = 15.0
"""[Hz] below which a control step has no picture of its own moment"""
WINDOW_SECONDS = 2.0
EARLY = 0.4
"""of the time between two pictures, by which one may be early: at twice the rate every second one is taken"""
OTHER_CLOCK = 3600.0
"""[s] of age from which no stall explains it"""


@dataclass(frozen=True)
class Report:
    """What is reported of it."""

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
        self._dropped: deque[float] = deque()
        self._why_dropped = ""
        self._stamp = self._delay = float("nan")
        self.trouble = ""
        """why no pictures come that can be used; empty: nothing is known against them"""
        self.silence = "is the camera's driver running, and does the topic exist?"
        """what may be the cause where none came"""

    def arrived(self, stamp: float, now: float) -> None:
        """A picture that was taken at `stamp` is here."""
        self._arrived.append(now)
        self._stamp, self._delay = stamp, now - stamp

    def dropped(self, reason: str, now: float) -> None:
        """One that arrived cannot be used."""
        self._dropped.append(now)
        self._why_dropped = reason

    def report(self, now: float) -> Report:
        """How it is now."""
        for times in (self._arrived, self._dropped):
            while times and now - times[0] > WINDOW_SECONDS:
                times.popleft()
        rate = len(self._arrived) / WINDOW_SECONDS
        age = now - self._stamp if self._stamp == self._stamp else float("inf")
        return Report(
            not (wrong := self._wrong(rate, age)), wrong or "fresh", rate, age, self._delay
        )

    def _wrong(self, rate: float, age: float) -> str:
        if self.trouble:
            return self.trouble
        if self._dropped:
            count = f"{len(self._dropped)} of {max(len(self._arrived), len(self._dropped))}"
            return (
                f"{self._why_dropped} ({count} images of the last {WINDOW_SECONDS:.0f} s dropped)"
            )
        if age == float("inf"):
            return f"no image has come: {self.silence}"
        if age > OTHER_CLOCK:
            return (
                f"images are stamped {time_span(age)} behind this machine's clock: the camera stands still, or its "
                "driver stamps by another clock"
            )
        if age > FRESH_SECONDS:
            return f"the last image is {time_span(age)} old: the camera stands still, or its clock is another"
        if age < -FRESH_SECONDS:
            return (
                f"images come from the future, {time_span(-age)} ahead of this machine's clock: the camera's clock "
                "is another (let chrony of one machine follow the other)"
            )
        if rate < LEAST_RATE:
            return f"{rate:.0f} images/s: a USB 2 port or cable, or the profile is not what was asked for"
        return ""


class FrameRateLimiter:
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
