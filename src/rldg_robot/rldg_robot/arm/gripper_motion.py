# SPDX-License-Identifier: Apache-2.0
"""What a command of the gate asks of Franka's hand, which knows two motions: to grasp, and to move."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MOVED = 0.001
"""[m] by which a width has to differ to be worth a motion"""
MET = 0.002
"""[m] between fingers that have nothing between them"""
STALE_SECONDS = 1.0
"""age of a reading that is none any more"""


@dataclass(frozen=True)
class GripperReading:
    """What the hand said last; on a real one up to 0.1 s old."""

    width: float
    """[m] between the fingers"""
    moving: bool
    """a command is carried out, or waits"""
    grasped: bool
    """the fingers press on something"""


@dataclass(frozen=True)
class GripperTarget:
    """A command."""

    width: float
    """[m]"""
    speed: float
    """[m/s]"""
    force: float
    """[N] to press with, closing"""


class Motion(Enum):
    """How a command is carried out."""

    NONE = "none"
    GRASP = "grasp"
    """close, and press on what stops the fingers"""
    MOVE = "move"


def motion_for(target: GripperTarget, now: GripperReading) -> Motion:
    """The motion that a command asks for.

    What holds something already is left alone: another grasp would only shift it.
    """
    if target.width < now.width - MOVED:
        return Motion.NONE if now.grasped else Motion.GRASP
    return Motion.MOVE if target.width > now.width + MOVED else Motion.NONE
