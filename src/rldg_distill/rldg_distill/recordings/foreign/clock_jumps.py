# SPDX-License-Identifier: Apache-2.0
"""Places at which the clock of a bag's stamps was set: by NTP, or by a simulation that was reset.

Behind a clock that went back, stamps stand for two moments, and in their order two times lie shuffled together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from rldg_core.message_values import SECOND

AHEAD = SECOND // 2
"""[ns] by which a stamp may be ahead of the one before it, unless so much time went by"""
FASTER = 10
"""times as fast as the time of recording a simulated clock may go"""
LEAST_BACK = SECOND // 50
"""[ns] by which a message may be late in the file, at least"""
SAME = SECOND // 2
"""[ns] within which two streams see the same jump: their messages take different times to the recorder"""
INTERVALS = 2.5
"""of a stream by which a message may be late in the file: its jitter"""


@dataclass(frozen=True)
class Jump:
    """One place."""

    number: int
    """of the first message behind it"""
    order: int
    """place of that among all messages of the bag"""
    log: int
    """[ns] when it was recorded"""
    by: int
    """[ns]; negative: back"""

    def __str__(self) -> str:
        return f"{abs(self.by) / SECOND:.3f} s {'ahead' if self.by > 0 else 'back'}"


def clock_jumps(times: np.ndarray, logs: np.ndarray, order: np.ndarray) -> list[Jump]:
    """Where the stamps of a stream jump.

    What a latched topic said last, however long ago, is what a recorder hears first: it shows no jump.

    Args:
        times: (N,) int64 [ns], stamps in the order of the file.
        logs: (N,) int64 [ns], when they were recorded; that clock may have been set with the other.
        order: (N,) places among all messages of the bag.
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
        if by < -back or (number > 1 and by > max(AHEAD, FASTER * passed)):
            found.append(Jump(number, int(order[number]), recorded[number], by))
            newest = stamps[number]
        else:
            newest = max(newest, stamps[number])
    return found


def behind(order: np.ndarray, own: Collection[Jump], last: Jump) -> np.ndarray:
    """(N,) bool: which messages of a stream lie behind the last jump of a bag.

    Args:
        order: (N,) places of the stream's messages among all of the bag.
        own: jumps of this very stream.
        last: the jump of any stream that is the last in the file.
    """
    mine = max(own, key=lambda jump: jump.number, default=None)
    if mine is not None and abs(last.log - mine.log) < SAME:
        return np.asarray(order >= mine.order)
    return np.asarray(order >= last.order)
