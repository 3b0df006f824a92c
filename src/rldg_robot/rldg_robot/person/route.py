# SPDX-License-Identifier: Apache-2.0
"""How a person goes to something that stands on a table: up, across, and only then down.

What is measured tells where the goal is, not the way. A person knows the way; a policy finds its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rldg_core.gripper_command import CLOSE, LEAVE, OPEN
from rldg_core.poses import Pose
from rldg_robot.person.eye import Sight

ABOVE = {CLOSE: 0.06, LEAVE: 0.03, OPEN: 0.0}
"""[m] over the goal at which the way leads across, by what the fingers do there: open ones pass over what they are to
grasp, a thing that they hold over what it is put into; and they let go where there is room already"""
OVER, LOW = 0.015, 0.015
"""[m] sideways within which one is over a place; below the height of travel from where on one goes up first"""


def next_leg(sight: Sight) -> Sight:
    """Where to go first on the way to the goal, as if that were the goal; there is nothing to do there but to pass."""
    goal, at = sight.pose @ sight.offset, sight.pose.position
    if np.hypot(*(goal.position - at)[:2]) < OVER:
        return sight
    height = goal.position[2] + ABOVE[sight.gripper]
    x, y = (at if at[2] < height - LOW else goal.position)[:2]
    leg = Pose(np.array([x, y, height]), goal.quaternion)
    return replace(sight, offset=leg.relative_to(sight.pose), gripper=LEAVE)
