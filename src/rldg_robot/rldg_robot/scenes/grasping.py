# SPDX-License-Identifier: Apache-2.0
"""What the scenes in which something is grasped have in common: when it is held, where to grasp it, and when."""

from __future__ import annotations

import numpy as np

from rldg_robot.poses import Pose
from rldg_robot.scenes.scene import CLOSE, LEAVE, OPEN, Moment, Waypoint

REACH = 0.035
"""[m] from the TCP within which an object that stopped the fingers is the one that they hold"""
BESIDE, ABOVE = 0.008, 0.008
"""[m] across and along the tool within which a waypoint is reached"""
EMPTY = 0.01
"""[m] between the fingers below which they closed on nothing"""


def holds(moment: Moment, thing: Pose) -> bool:
    """Whether the fingers hold the object at `thing`."""
    distance = float(np.linalg.norm(moment.tcp.position - thing.position))
    return moment.grasped and distance < REACH


def reached(moment: Moment, pose: Pose) -> bool:
    """Whether the TCP is where the fingers may do their work."""
    x, y, z = pose.relative_to(moment.tcp).position
    return bool(np.hypot(x, y) < BESIDE and abs(z) < ABOVE)


def grasp_waypoint(moment: Moment, thing: Pose, upright: Pose) -> Waypoint:
    """To the object, then close; fingers that closed on nothing open first.

    Args:
        moment: what is measured.
        thing: the object, its origin where it is grasped.
        upright: a TCP pose with the tool as it should point.
    """
    pose = Pose(thing.position, (upright @ _yaw(thing, upright)).quaternion)
    if moment.width < EMPTY:
        return Waypoint(pose, OPEN)
    return Waypoint(pose, CLOSE if reached(moment, pose) else LEAVE)


def _yaw(thing: Pose, upright: Pose) -> Pose:
    """The turn about the tool that lines the fingers up with the object, at most a quarter: it has two sides."""
    x, y = (upright.inverse() @ thing).matrix[:2, 0]
    yaw = np.arctan2(y, x)
    yaw -= np.pi * round(yaw / np.pi)
    return Pose.from_rotvec(np.zeros(3), [0.0, 0.0, yaw])
