# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found: one line of `episodes.jsonl` per episode, and the figures that many of them make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core import rate_intervals
from rldg_core.estimates import Estimate, mean_estimate
from rldg_core.files.atomic_file import settle, write_atomically
from rldg_core.files.checked_file import FormatError, parse_json
from rldg_core.task import load_task
from rldg_core.throughput import Attempts, attempts, successes_per_10_minutes
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.evaluation.outcomes import Trace

FILMED_EPISODES = 6


@dataclass(frozen=True)
class Record:
    """One evaluation episode."""

    task: str
    """family/variant"""
    number: int
    """among the episodes of its task: the same number has the same start, whoever acts"""
    seed: int
    success: bool
    seconds: float
    """[s] of robot time"""
    steps: int
    peak_force: float
    """[N] measured at a control step"""
    peak_torque: float
    """[Nm]"""
    failure: str | None
    """one of `outcomes.FAILURES`; None where it succeeded"""
    bag: str = ""
    """what recorded it, if anything did"""
    lead_in: int = 0
    """steps that a person led, up to the task's hand-over"""


def make_record(result: EpisodeResult, trace: Trace, number: int, bag: str = "") -> Record:
    """The record of an episode that ended by itself."""
    return Record(
        task=result.task.id,
        number=number,
        seed=result.seed,
        success=result.status is EpisodeStatus.SUCCESS,
        seconds=round(result.seconds, 3),
        steps=result.steps,
        peak_force=round(trace.peak_force, 3),
        peak_torque=round(trace.peak_torque, 3),
        failure=trace.failure(result),
        bag=bag,
        lead_in=result.lead_in,
    )


class RecordFile:
    """`episodes.jsonl`: whole after every episode, so that an evaluation goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        """Every record; a last line that a kill cut off is none.

        Raises:
            UserError: a line is no record, or what lies behind the last one is no beginning of one.
        """
        *lines, rest = self.path.read_bytes().split(b"\n") if self.path.is_file() else [b""]
        if rest.strip(b"\0") and not rest.startswith(
            b"{"
        ):  # it would be cut off, and is somebody's
            raise UserError(
                f"the end of {self.path} is no record of an episode: repair or delete it"
            )
        try:
            return parse_json(b"[" + b",".join(lines) + b"]", list[Record], str(self.path))
        except FormatError:  # which of them?
            return [self._record(number, line) for number, line in enumerate(lines, 1)]

    def mend(self) -> list[Record]:
        """Every record, and no cut-off line after them any more: from here on `add` may go on."""
        records = self.read()
        if self.path.is_file():
            write_atomically(self.path, "".join(map(_line, records)))
        return records

    def add(self, record: Record) -> None:
        """Write one more, and wait until the disk has it."""
        with self.path.open("a") as stream:
            stream.write(_line(record))
            stream.flush()
            settle(stream.fileno())

    def _record(self, number: int, line: bytes) -> Record:
        try:
            return parse_json(line, Record, "it")
        except FormatError as error:
            raise UserError(
                f"line {number} of {self.path} is no record of an episode ({error}): repair or delete it"
            ) from error


def _line(record: Record) -> str:
    return json.dumps(asdict(record)) + "\n"


def judge(records: Sequence[Record]) -> dict[str, Any]:
    """The figures of one evaluation.

    `ci95` is the Wilson interval of the success rate; `mean_cycle_seconds` is over the successes;
    `successes_per_10_minutes` counts failures and resets in (see `rldg_core/throughput.py`); `peak_force_per_success`
    [N] is the mean of the successes' greatest forces, both with `value` and `ci95`; `peak_force` [N] and
    `peak_torque` [Nm] are the median and the 95th percentile of the episodes' greatest; `failures` counts the classes;
    `led_in`, the episodes that a person led up to the task's hand-over: it is of person and specialist together.
    """
    successes = [record for record in records if record.success]
    return {
        **rate(len(successes), len(records)),
        "mean_cycle_seconds": _mean([record.seconds for record in successes]),
        "successes_per_10_minutes": _estimate(successes_per_10_minutes(attempts_of(records))),
        "peak_force_per_success": _estimate(
            mean_estimate(np.array([record.peak_force for record in successes]))
        ),
        "peak_force": _spread([record.peak_force for record in records]),
        "peak_torque": _spread([record.peak_torque for record in records]),
        "failures": dict(Counter(record.failure for record in records if record.failure)),
        "led_in": sum(record.lead_in > 0 for record in records),
    }


def attempts_of(records: Sequence[Record]) -> Attempts:
    """Their outcomes and times, resets included.

    Raises:
        UnknownTask: there is no such task any more.
    """
    return attempts((record.task, record.success, record.seconds) for record in records)


def rate(successes: int, episodes: int) -> dict[str, Any]:
    """How many of how many, with the 95 % interval."""
    return {
        "episodes": episodes,
        "successes": successes,
        "success_rate": successes / episodes if episodes else None,
        "ci95": wilson(successes, episodes),
    }


def summarize_records(records: Sequence[Record]) -> dict[str, Any]:
    """What `summary.json` says of an evaluation: of all episodes, and where it was of several tasks of each of them and
    of the seen and the unseen ones together.
    """
    tasks = list(dict.fromkeys(record.task for record in records))
    summary: dict[str, Any] = {"evaluation": judge(records)}
    if len(tasks) < 2:
        return summary
    summary["evaluations"] = {
        task: judge([record for record in records if record.task == task]) for task in tasks
    }
    for name, seen in (("seen", True), ("unseen", False)):
        if some := [record for record in records if load_task(record.task).seen is seen]:
            summary[name] = judge(some)
    return summary


def worth_filming(records: Iterable[Record]) -> list[Record]:
    """The first failures, or where there are none the first successes."""
    every = list(records)
    failed = [record for record in every if not record.success]
    return (failed or every)[:FILMED_EPISODES]


def wilson(successes: int, episodes: int) -> list[float]:
    """95 % Wilson interval of a success rate; nothing known: [0, 1]."""
    low, high = rate_intervals.wilson(successes, episodes)
    return [round(low, 4), round(high, 4)]


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def _estimate(found: Estimate | None) -> dict[str, Any]:
    if found is None:
        return {"value": None, "ci95": None}
    limits = None if found.ci95 is None else [round(limit, 3) for limit in found.ci95]
    return {"value": round(found.value, 3), "ci95": limits}


def _spread(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p95": None}
    median, p95 = np.percentile(values, [50, 95]).tolist()
    return {"median": round(median, 3), "p95": round(p95, 3)}
