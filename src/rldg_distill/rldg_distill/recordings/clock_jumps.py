# SPDX-License-Identifier: Apache-2.0
"""Places at which the clock of a bag's stamps was set: by NTP, or by a simulation that was reset.

Behind a clock that went back, stamps stand for two moments, and in their order two times lie shuffled together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from rldg_robot.message_values import SECOND

AHEAD = SECOND // 2
"""[ns] by which a stamp may be ahead of the one before it, unless so much time went by"""
FASTER = 10
"""times as fast as the time of recording a simulated clock may go"""
LEAST_BACK = SECOND // 50
"""[ns] by which a message may be late in the file, at least"""
INTERVALS = 2.5
"""of a stream by which a message may be late in the file: its jitter"""


@dataclass(frozen=True)
class Jump:
    """One place."""

    number: int
    """of the first message behind it"""
    log: int
    """[ns] when that was recorded"""
    by: int
    """[ns]; negative: back"""

    def __str__(self) -> str:
        return f"{abs(self.by) / SECOND:.3f} s {'ahead' if self.by > 0 else 'back'}"


def clock_jumps(times: np.ndarray, logs: np.ndarray) -> list[Jump]:
    """Where the stamps of a stream jump.

    Args:
        times: (N,) int64 [ns], stamps in the order of the file.
        logs: (N,) int64 [ns], when they were recorded.
    """
    if len(times) < 2:
        return []
    back = max(LEAST_BACK, INTERVALS * float(np.median(np.abs(np.diff(times)))))
    back = min(back, AHEAD)
    stamps, recorded = times.tolist(), logs.tolist()
    found = []
    newest = stamps[0]
    for number in range(1, len(stamps)):
        by = stamps[number] - newest
        passed = abs(recorded[number] - recorded[number - 1])
        if by < -back or by > max(AHEAD, FASTER * passed):
            found.append(Jump(number, recorded[number], by))
            newest = stamps[number]
        else:
            newest = max(newest, stamps[number])
    return found


def behind(
    logs: np.ndarray, own: Collection[Jump], last: Jump, near: int = SECOND // 2
) -> np.ndarray:
    """(N,) bool: which messages of a stream lie behind the last jump of a bag.

    Args:
        logs: (N,) int64 [ns] when they were recorded.
        own: jumps of this very stream.
        last: the last jump of all streams, by the time of recording.
        near: [ns] within which two streams see the same jump: their messages take different times to the recorder.
    """
    mine = max(own, key=lambda jump: jump.number, default=None)
    if mine is not None and last.log - mine.log < near:
        return np.arange(len(logs)) >= mine.number
    return np.asarray(logs >= last.log)
