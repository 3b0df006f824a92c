# SPDX-License-Identifier: Apache-2.0
"""Waiting for others: as long as it takes, and people know for whom."""

from __future__ import annotations

from logged import Clock

from rldg_rl.waiting import LOOK_SECONDS, Waiting


def waiting(clock: Clock, told: list[str], stopped_at: float = 1e9) -> Waiting:
    return Waiting(clock.wait, lambda: clock.now < stopped_at, told.append)


def test_who_is_there_is_not_waited_for() -> None:
    clock, told = Clock(), []
    waiting(clock, told).until(lambda: True, "the learner")
    assert (clock.now, told) == (0.0, [])


def test_people_are_told_for_whom_until_they_come() -> None:
    clock, told = Clock(), []
    waiting(clock, told).until(lambda: clock.now >= 3 * LOOK_SECONDS, "the learner")
    assert told == ["waiting for the learner"] * 2, "not after they came"


def test_what_the_other_is_doing_says_more() -> None:
    clock, told = Clock(), []
    doing = iter(["learning to see, 50 %", ""])
    waiting(clock, told).until(
        lambda: clock.now >= 3 * LOOK_SECONDS, "the learner", lambda: next(doing)
    )
    assert told == ["learning to see, 50 %", "waiting for the learner"]


def test_a_stack_that_is_stopped_waits_for_nobody() -> None:
    clock, told = Clock(), []
    waiting(clock, told, stopped_at=1.0).until(lambda: False, "the learner")
    assert 1.0 <= clock.now < 1.2
