# SPDX-License-Identifier: Apache-2.0
"""Waiting for others: as long as it takes, and people know for whom."""

from __future__ import annotations

from logged import Clock

from rldg_rl.waiting import LOOK_SECONDS, Waiting


def waiting(clock: Clock, messages: list[str], stopped_at: float = 1e9) -> Waiting:
    return Waiting(clock.wait, lambda: clock.now < stopped_at, messages.append)


def test_who_is_there_is_not_waited_for() -> None:
    clock, messages = Clock(), []
    waiting(clock, messages).until(lambda: True, "the learner")
    assert (clock.now, messages) == (0.0, [])


def test_messages_name_what_is_awaited_until_it_comes() -> None:
    clock, messages = Clock(), []
    waiting(clock, messages).until(lambda: clock.now >= 3 * LOOK_SECONDS, "the learner")
    assert messages == ["waiting for the learner"] * 2, "not after they came"


def test_what_the_other_is_doing_says_more() -> None:
    clock, messages = Clock(), []
    doing = iter(["learning to see, 50 %", ""])
    waiting(clock, messages).until(
        lambda: clock.now >= 3 * LOOK_SECONDS, "the learner", lambda: next(doing)
    )
    assert messages == ["learning to see, 50 %", "waiting for the learner"]


def test_a_stack_that_is_stopped_waits_no_longer() -> None:
    clock, messages = Clock(), []
    waiting(clock, messages, stopped_at=1.0).until(lambda: False, "the learner")
    assert 1.0 <= clock.now < 1.2
