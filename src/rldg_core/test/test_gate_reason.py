# SPDX-License-Identifier: Apache-2.0
"""The codes of the gate's reasons are those of the message."""

from __future__ import annotations

from rldg_core.gate_reason import ReasonCode
from rldg_msgs.msg import SafetyState


def test_the_codes_are_those_of_the_message() -> None:
    start = "REASON_"
    names = [name for name in dir(type(SafetyState)) if name.startswith(start)]
    assert {name.removeprefix(start): getattr(SafetyState, name) for name in names} == {
        code.name: int(code) for code in ReasonCode
    }
