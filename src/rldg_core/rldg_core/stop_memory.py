# SPDX-License-Identifier: Apache-2.0
"""Why the gate is stopped, in a file of the robot: no gate that dies and no stack that is started again releases it.

A stop for a wrench in simulation lasts as long as its stack, whose actor or operator may release it; every other one
until a person does.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import FormatError, read_json
from rldg_core.gate_reason import Reason, ReasonCode


@dataclass(frozen=True)
class Stop:
    """A stop that is in force."""

    reason: str
    """in words, for people"""
    since: str
    """date and time on this machine's clock"""
    start: str
    """of the stack that it came in"""
    lasts: bool
    """for every later start, too"""
    code: ReasonCode = ReasonCode.NONE
    """NONE: written before there were codes, or not readable"""


MOST_BYTES = 1 << 16
"""of its file"""
UNREADABLE = Stop("a stop of which nothing more is known", "an earlier start", "?", True)
"""whatever the file said, somebody was stopped"""


def stop_in(path: Path) -> Stop | None:
    """The stop that a file speaks of; None where there is no file."""
    try:
        stop = read_json(path, Stop, most=MOST_BYTES)
    except FileNotFoundError:
        return None
    except (FormatError, OSError):
        return UNREADABLE
    # A stop whose cause is unknown is released by a person alone.
    return stop if stop.code else replace(stop, lasts=True)


class StopMemory:
    """The stop that is in force; one file for all gates that one robot ever has."""

    def __init__(self, path: str, start: str = "", *, real: bool = True) -> None:
        """Remember in a file; with an empty path, not beyond this process.

        Args:
            path: of the file, which is the robot's.
            start: what tells this start of the stack from others.
            real: the robot is a real arm, of which every stop lasts.
        """
        self._path = Path(path) if path else None
        self._start, self._real = start, real
        self._stop: Stop | None = None

    def recall(self) -> Reason | None:
        """The reason that an earlier gate left; None: it was not stopped, or not for this start."""
        self._stop = self._read()
        if self._stop is None:
            return None
        since = f" (since {self._stop.since})" if self._stop.start != self._start else ""
        return Reason(self._stop.code, f"{self._stop.reason}{since}")

    def keep(self, reason: Reason) -> None:
        """Write a reason down. The first one of a stop stays, but for one that does not last.

        Raises:
            OSError: it cannot be written.
        """
        if self._path is None or (self._stop is not None and self._stop.lasts):
            return
        since = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        lasts = self._real or reason.code is not ReasonCode.WRENCH
        stop = Stop(reason.text, since, self._start, lasts, reason.code)
        if stop.lasts or self._stop is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(asdict(stop)))
            self._stop = stop

    def forget(self) -> None:
        """A person released the stop that this gate was in; of any other nothing is forgotten."""
        if self._path is not None and self._stop is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._stop = None

    def _read(self) -> Stop | None:
        stop = stop_in(self._path) if self._path else None
        return stop if stop and (stop.lasts or stop.start == self._start) else None
