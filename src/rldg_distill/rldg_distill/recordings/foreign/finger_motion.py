# SPDX-License-Identifier: Apache-2.0
"""What a gripper was asked for, derived from where its fingers were heading."""

from __future__ import annotations

import numpy as np

from rldg_core.gripper_command import MAX_GRIPPER_WIDTH, OPEN, command_at_start

STILL = 0.0005
"""[m] that fingers which stand may differ from one control step to the next"""
FULLY = 0.005
"""[m] below its stroke from which on a gripper is open and holds nothing"""
MOVED = 0.002
"""[m] against the command that holds beyond which they follow another; less is the give of what they hold"""


def may_hold(command: float, width: float) -> bool:
    """Whether fingers that stand `width` [m] apart can be asked for OPEN or CLOSE: one that closes holds something."""
    if command == OPEN:
        return command_at_start(width) == OPEN
    return width < MAX_GRIPPER_WIDTH - FULLY


def commands(widths: np.ndarray) -> np.ndarray:
    """What the gripper was asked for: where a movement is under way or begins, its direction; else what held before.

    Args:
        widths: (T,) [m] between the fingers at every control step. The first says what holds at the start: how wide an
            object is that is held later has no say.

    Returns:
        (T,) OPEN or CLOSE of `gripper_command`.
    """
    command = command_at_start(widths[0])
    found = np.full(len(widths), command)
    turn = 0  # the last step at which the fingers stood, or went on as they were asked
    for step in range(1, len(widths)):
        if command * (widths[step - 1] - widths[step]) <= STILL:
            turn = step
        elif command * (widths[turn] - widths[step]) > MOVED:
            command = -command
            found[turn:] = command
            turn = step
    return found
