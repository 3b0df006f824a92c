# SPDX-License-Identifier: Apache-2.0
"""Why the safety gate holds or stops the arm: a code that programs decide by, a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ReasonCode(IntEnum):
    """Why targets do not pass; the numbers are those of rldg_msgs/SafetyState."""

    NONE = 0
    """targets pass, or the reason is not known"""
    WAITING = 1
    """held until the policy sends a target"""
    SILENT = 2
    """held: a stream that the gate needs is silent"""
    OUTSIDE_BOX = 3
    """held: the arm is outside of the task's box"""
    SECOND_PUBLISHER = 4
    """held: another node publishes what only the gate may"""
    WRENCH = 5
    """stopped: the external wrench was beyond the task's limit"""
    EMERGENCY_STOP = 6
    """stopped: somebody asked for it"""
    UNKNOWN_TASK = 7
    """stopped: an episode began of a task that the gate was not started for"""

    @property
    def needs_person(self) -> bool:
        """Whether an arm that is held for it stays so until a person has changed something."""
        return self in (ReasonCode.OUTSIDE_BOX, ReasonCode.SECOND_PUBLISHER)


@dataclass(frozen=True)
class Reason:
    """Why the gate does what it does."""

    code: ReasonCode
    text: str = ""
    """for people; nothing is decided by it"""

    def __str__(self) -> str:
        return self.text


PASSING = Reason(ReasonCode.NONE)
"""of a gate that lets targets pass"""
