# SPDX-License-Identifier: Apache-2.0
"""What a person's hand gives, by whichever device: a push along six axes, and two buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from rldg_core.user_error import UserError

AXES = ("x", "y", "z", "roll", "pitch", "yaw")


@dataclass(frozen=True)
class Push:
    """What a device says at a moment."""

    axes: np.ndarray = field(default_factory=lambda: np.zeros(len(AXES)))
    """(6,) in [-1, 1] of full deflection as the person sees it: x away from them, y to their left, z up; then the turns
    about these axes, right-handed"""
    buttons: tuple[bool, bool] = (False, False)
    """left closes the gripper, right opens it; held now, or pressed since the last reading"""


def held_to_run(push: Push) -> Push:
    """The push counts while one button is held, and the button means nothing else; both still say that it is done."""
    left, right = push.buttons
    axes = push.axes if left != right else np.zeros(len(AXES))
    return Push(axes, (left and right, left and right))


class HandDevice(Protocol):
    """A device that a person pushes."""

    name: str
    """as its maker calls it"""

    def read(self) -> Push:
        """What holds now, after everything that the device has said since; never waits.

        Raises:
            DeviceLost: it was unplugged.
        """

    def close(self) -> None:
        """Leave it to others."""


class DeviceMissing(UserError):
    """There is none, or it may not be read; the message says what to do."""


class DeviceLost(RuntimeError):
    """It was there and is no more."""
