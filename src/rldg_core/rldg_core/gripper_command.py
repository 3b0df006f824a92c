# SPDX-License-Identifier: Apache-2.0
"""What the gripper is asked for: an action opens it, closes it or leaves it, and what was asked last holds."""

from __future__ import annotations

OPEN, LEAVE, CLOSE = 1.0, 0.0, -1.0
MAX_GRIPPER_WIDTH = 0.08
"""[m] between the fingers of Franka's hand"""


def command_at_start(width: float) -> float:
    """OPEN or CLOSE: what holds before an episode's first action, with the fingers `width` [m] apart."""
    return OPEN if width > MAX_GRIPPER_WIDTH / 2 else CLOSE


def command_after(command: float, action: float) -> float:
    """What holds once a gripper action was taken: OPEN, LEAVE or CLOSE, as the seventh of a control step."""
    return command if action == LEAVE else action
