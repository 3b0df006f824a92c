# SPDX-License-Identifier: Apache-2.0
"""The last deflection that was heard of a hand, latched; a button counts once, however shortly it was pressed."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Joy

from rldg_core.message_values import nanoseconds

AXES = 6
HANDS_OFF = np.zeros(AXES + 1)


class LatchedHand:
    """What `spacenav/joy` says."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """What was pushed before does not count."""
        self._axes, self._pressed = HANDS_OFF[:AXES], 0.0
        self.both = False
        """whether both buttons are held"""
        self.stamp = 0
        """[ns] of the last message"""

    def keep(self, message: Joy) -> None:
        """A message has arrived."""
        left, right = (*message.buttons, 0, 0)[:2]
        self._axes = np.array(message.axes[:AXES])
        self._pressed = float(right - left) or self._pressed
        self.both = bool(left and right)
        self.stamp = nanoseconds(message.header.stamp)

    def take(self) -> np.ndarray:
        """(7,) the axes, then the buttons: the left one closes the gripper (-1), the right one opens it (+1)."""
        pressed, self._pressed = self._pressed, 0.0
        return np.append(self._axes, pressed)
