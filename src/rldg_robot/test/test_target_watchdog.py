# SPDX-License-Identifier: Apache-2.0
"""When silence holds the arm, and when it ends its control."""

from __future__ import annotations

from rldg_robot.arm.watchdog import Due, Watchdog


def test_silence_holds_once_then_stops_once() -> None:
    dog = Watchdog(hold_after=0.5, stop_after=10.0)
    dog.heard(100.0)
    assert dog.due(100.4) is Due.NOTHING
    assert [dog.due(100.6), dog.due(100.7)] == [Due.HOLD, Due.NOTHING]
    assert [dog.due(110.1), dog.due(200.0)] == [Due.STOP, Due.NOTHING]


def test_every_target_begins_anew() -> None:
    dog = Watchdog(hold_after=0.5, stop_after=10.0)
    dog.heard(0.0)
    assert dog.due(0.6) is Due.HOLD
    dog.heard(0.7)
    assert dog.due(1.1) is Due.NOTHING
    assert dog.due(1.3) is Due.HOLD
    assert dog.due(11.0) is Due.STOP
    dog.heard(20.0)
    assert dog.due(20.6) is Due.HOLD


def test_before_the_first_target_nothing_is_due() -> None:
    dog = Watchdog()
    assert dog.due(1e6) is Due.NOTHING
    assert dog.age(1e6) is None
