# SPDX-License-Identifier: Apache-2.0
"""Ticks and the messages that belong to them, against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.foreign.resampling import MessageStream, check_clocks, common_ticks
from rldg_distill.recordings.staleness import MAX_AGE

PERIOD = 100_000_000
FOREVER = (0, 2**63 - 1)
moments = st.lists(st.integers(0, 10 * PERIOD), min_size=1, max_size=40)


def stream(times: list[int], logs: list[int] | None = None, topic: str = "a") -> MessageStream:
    return MessageStream(
        topic, "", np.array(logs or times, np.int64), np.array(times, np.int64), []
    )


@settings(deadline=None)
@given(moments, st.data())
def test_the_latest_at_or_before_a_tick_in_any_order_of_the_file(
    times: list[int], data: st.DataObject
) -> None:
    ticks = data.draw(st.lists(st.integers(min(times), 20 * PERIOD), min_size=1, max_size=20))
    found = stream(times).numbers(np.array(ticks, np.int64))
    for tick, number in zip(ticks, found, strict=True):
        latest = max(t for t in times if t <= tick)
        assert times[number] == latest
        assert number == max(i for i, t in enumerate(times) if t == latest)  # the last word counts


@settings(deadline=None)
@given(moments, moments, moments, st.integers(0, 5 * PERIOD), st.integers(5 * PERIOD, 12 * PERIOD))
def test_ticks_fill_the_span_in_which_every_stream_runs(
    first: list[int], second: list[int], command: list[int], opened: int, closed: int
) -> None:
    measured = [stream(first), stream(second)]
    start = max(min(first), min(second), min(command), opened)
    end = min(max(first), max(second), max(command) + PERIOD, closed)
    arguments = (measured, [stream(command)], [], (opened, closed), PERIOD)
    if abs(max(first) - max(second)) > MAX_AGE or end - start < PERIOD:
        with pytest.raises(BadBag, match=r"ends|no control step"):
            common_ticks(*arguments)
        return
    ticks = common_ticks(*arguments)
    assert ticks[0] == start
    assert (np.diff(ticks) == PERIOD).all()
    assert ticks[-1] <= end < ticks[-1] + PERIOD


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_clocks_may_both_be_wrong_but_not_differ(offset: int, difference: int) -> None:
    """Simulated time that runs five times as fast as the bag's, and a stream that is `difference` off it."""
    logs = [10**18 + i * PERIOD for i in range(50)]
    reference = stream([10**18 + offset + 5 * i * PERIOD for i in range(50)], logs, "pose")
    other_logs = [log + 3_000_000 for log in logs[10:]]
    times = [10**18 + offset + difference + 5 * i * PERIOD for i in range(10, 50)]
    other = stream(times, other_logs, "image")
    if abs(difference) < MAX_AGE - PERIOD:
        check_clocks([reference, other], reference)
    elif abs(difference) > MAX_AGE + PERIOD:
        with pytest.raises(BadBag, match="different clocks"):
            check_clocks([reference, other], reference)


def test_a_stream_that_falls_silent_is_named_with_step_and_age() -> None:
    silent = stream([0, PERIOD, 9 * PERIOD], topic="camera")
    ticks = np.arange(0, 10 * PERIOD, PERIOD)
    with pytest.raises(BadBag, match=r"step 7: the latest message of camera is 0.60 s old"):
        silent.check_ages(ticks)
    silent.check_ages(ticks[:7])
