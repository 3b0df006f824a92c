# SPDX-License-Identifier: Apache-2.0
"""How long a run's resets took: a small file of the run, whole after every reset."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from rldg_core.files.atomic_file import write_atomically
from rldg_rl.run_folder import RunFolder, read_count


@dataclass(frozen=True)
class ResetCount:
    """The motions to a start of a run so far, earlier starts of the run included."""

    resets: int = 0
    seconds: float = 0.0
    """[s] of robot time that they took together"""
    stalled: int = 0
    """how often a person was asked"""

    def arrived(self, seconds: float) -> ResetCount:
        """One more."""
        return replace(self, resets=self.resets + 1, seconds=self.seconds + seconds)

    def stuck(self) -> ResetCount:
        """One that a person had to help."""
        return replace(self, stalled=self.stalled + 1)

    @property
    def mean_seconds(self) -> float:
        """[s] a reset; 0 where there was none."""
        return self.seconds / max(self.resets, 1)


class ResetLedger:
    """Counts a run's resets, in its file at once."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._count = read_resets(run)

    @property
    def mean_seconds(self) -> float:
        """See `ResetCount`."""
        return self._count.mean_seconds

    def arrived(self, seconds: float) -> None:
        """The arm took so long to a start [s of robot time]."""
        self._keep(self._count.arrived(seconds))

    def stuck(self) -> None:
        """The arm did not get there: a person is asked."""
        self._keep(self._count.stuck())

    def _keep(self, count: ResetCount) -> None:
        self._count = count
        keep_resets(self._run, count)


def read_resets(run: RunFolder) -> ResetCount:
    """What the run says; nothing where the twin put the arm at its starts."""
    return read_count(run.resets, ResetCount, ResetCount())


def keep_resets(run: RunFolder, count: ResetCount) -> None:
    """Remember them."""
    write_atomically(run.resets, json.dumps(asdict(count)))


def summarize_resets(run: RunFolder) -> dict[str, Any]:
    """Their part of summary.json; empty where there were none."""
    count = read_resets(run)
    if count == ResetCount():
        return {}
    mean = round(count.mean_seconds, 3)
    return {
        "resets": {"count": count.resets, "mean_seconds": mean, "stalled": count.stalled},
    }
