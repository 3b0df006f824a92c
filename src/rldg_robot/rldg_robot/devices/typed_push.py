# SPDX-License-Identifier: Apache-2.0
"""A keyboard as a person's hand: a terminal repeats a key that is held, and never tells that it was let go."""

from __future__ import annotations

import numpy as np

from rldg_robot.devices.hand_device import AXES, Push

HOLD_SECONDS = 0.15
"""for which a key counts that does not come again: keyboards repeat 20 to 30 times a second, so that a tap is a nudge,
and a key that was let go is let go soon"""
DONE_SECONDS = 1.5
"""for which both buttons are held for the person; `reward:=person` wants a second"""
MOVES = {
    "w": (0, 1.0),
    "s": (0, -1.0),
    "a": (1, 1.0),
    "d": (1, -1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
    "l": (3, 1.0),
    "j": (3, -1.0),
    "i": (4, 1.0),
    "k": (4, -1.0),
    "u": (5, 1.0),
    "o": (5, -1.0),
}
"""axis of `Push` and its sign"""
CLOSE, OPEN, DONE, FASTER, SLOWER = "c", "v", "\n", "+", "-"
SPEEDS = (0.1, 0.2, 0.35, 0.6, 1.0)
"""of full deflection"""
HELP = """hold a key to move, let go to stop
  w s  ahead, back      i k  pitch down, up     c  close the gripper
  a d  left, right      j l  roll left, right   v  open the gripper
  r f  up, down         u o  yaw left, right    Enter  both buttons: it is done
  + -  faster, slower   y n  answer what is asked         Ctrl-C  end"""


class TypedPush:
    """Latest keys, each for a while."""

    def __init__(self) -> None:
        self._until = np.zeros(len(AXES))
        self._signs = np.zeros(len(AXES))
        self._buttons_until = np.zeros(2)
        self._speed = 2

    @property
    def speed(self) -> float:
        """Of a push, of full deflection."""
        return SPEEDS[self._speed]

    def press(self, key: str, now: float) -> bool:
        """A key came; whether it means something. `now`: any clock [s]."""
        if key in MOVES:
            axis, sign = MOVES[key]
            self._signs[axis], self._until[axis] = sign, now + HOLD_SECONDS
        elif key in (CLOSE, OPEN):
            self._buttons_until[(CLOSE, OPEN).index(key)] = now + HOLD_SECONDS
        elif key == DONE:
            self._buttons_until[:] = now + DONE_SECONDS
        elif key in (FASTER, SLOWER):
            faster = self._speed + (1 if key == FASTER else -1)
            self._speed = min(max(faster, 0), len(SPEEDS) - 1)
        else:
            return False
        return True

    def push(self, now: float) -> Push:
        """What is pushed now."""
        axes = np.where(now < self._until, self._signs * self.speed, 0.0)
        left, right = now < self._buttons_until
        return Push(axes, (bool(left), bool(right)))
