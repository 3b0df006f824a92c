# SPDX-License-Identifier: Apache-2.0
"""Jobs that follow from results: none is begun before it is known to be wanted, and all workers are used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rldg_core.workers.pool import as_needed


@dataclass(frozen=True)
class Number:
    """A job."""

    value: int
    name: str = "a number"


def double(job: Number) -> Iterator[int]:
    yield 2 * job.value


def test_jobs_follow_from_results() -> None:
    found: list[int] = []
    begun: list[int] = []

    def next_job() -> Number | None:
        """At most three results are wanted in all, and two jobs run at a time."""
        if len(begun) - len(found) >= 2 or len(begun) >= 3:
            return None
        begun.append(len(begun))
        return Number(begun[-1])

    for result in as_needed(next_job, double, 3):
        assert len(begun) - len(found) <= 2
        found.append(result)
    assert sorted(found) == [0, 2, 4]


def test_nothing_to_do_is_no_work() -> None:
    assert list(as_needed(lambda: None, double, 1)) == []
