# SPDX-License-Identifier: Apache-2.0
"""What a Franka arm says of itself, and what is reported to a person."""

from __future__ import annotations

from collections.abc import Sequence

MODES = {
    "Reflex": "a reflex: something was hit, or a limit",
    "UserStopped": "the stop button is pressed, or the enabling device is not",
    "Guiding": "a person guides the arm by hand",
    "AutomaticErrorRecovery": "it recovers from an error",
    "Other": "its brakes are locked, or Desk has not activated FCI",
}
"""what a mode of libfranka's means in which the arm does not follow"""
REMEDY = ". See what it hit; when it is safe: ./rldg run rldg_robot arm recover"


class ArmRefuses(RuntimeError):
    """The arm does not follow targets; the message says why, and what to do."""


def why_not(mode: str, errors: Sequence[str]) -> str:
    """Why an arm in that mode, with those errors raised, does not follow."""
    said = f"the arm does not follow: mode {mode}{meaning(mode)}"
    return said + (f", errors: {', '.join(errors)}" if errors else "") + REMEDY


def meaning(mode: str) -> str:
    """A mode in plain words; empty where it follows."""
    return f" ({MODES[mode]})" if mode in MODES else ""
