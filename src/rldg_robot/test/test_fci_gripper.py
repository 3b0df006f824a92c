# SPDX-License-Identifier: Apache-2.0
"""Franka's hand whose connection breaks. The hand that answers is tested over the wire, in test_fci_arm."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import franky
import pytest
from waiting import until

from rldg_robot.fci import gripper
from rldg_robot.fci.gripper import FciGripper


class Line:
    """In the place of franky's Gripper: a connection each."""

    broken = False
    made = 0

    def __init__(self, address: str) -> None:
        type(self).made += 1
        self._check()

    @property
    def state(self) -> SimpleNamespace:
        self._check()
        return SimpleNamespace(width=0.02, is_grasped=True)

    def _check(self) -> None:
        if self.broken:
            raise franky.NetworkException("UDP receive: Timeout")


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[FciGripper]:
    monkeypatch.setattr(franky, "Gripper", Line)
    monkeypatch.setattr(gripper, "STALE_SECONDS", 0.3)
    monkeypatch.setattr(Line, "broken", False)
    hand = FciGripper("127.0.0.1")
    yield hand
    hand.close()


def test_a_hand_that_is_silent_is_not_reported_and_found_again(
    hand: FciGripper, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hand.reading is not None and hand.fault == ""
    monkeypatch.setattr(Line, "broken", True)
    until(lambda: hand.reading is None)
    assert "the hand does not answer" in hand.fault
    lines = Line.made
    monkeypatch.setattr(Line, "broken", False)
    until(lambda: hand.reading is not None)
    assert Line.made > lines
    until(lambda: hand.fault == "")
