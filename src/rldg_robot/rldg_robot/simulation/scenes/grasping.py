# SPDX-License-Identifier: Apache-2.0
"""What the scenes in which something is grasped have in common: when it is held, where to grasp it, and by
which way.
"""

from __future__ import annotations

import numpy as np

from rldg_core.gripper_command import CLOSE, OPEN
from rldg_core.poses import Pose
from rldg_robot.simulation.scenes.scene import SceneState, Waypoint

REACH = 0.035
"""[m] from the TCP within which an object that stopped the fingers is the one that they hold"""
EMPTY = 0.01
"""[m] between the fingers below which they closed on nothing"""
CLEAR = 0.06
"""[m] above what is grasped, open fingers touch nothing"""


def holds(moment: SceneState, thing: Pose) -> bool:
    """Whether the fingers hold the object at `thing`."""
    distance = float(np.linalg.norm(moment.tcp.position - thing.position))
    return moment.grasped and distance < REACH


def grasp_waypoint(moment: SceneState, thing: Pose, upright: Pose) -> Waypoint:
    """To the object, and there close; fingers that closed on nothing open above it first.

    Args:
        moment: what is measured.
        thing: the object, its origin where it is grasped.
        upright: a TCP pose with the tool as it should point.
    """
    grasp = Pose(thing.position, (upright @ _yaw(thing, upright)).quaternion)
    if moment.width < EMPTY:
        return Waypoint(Pose(grasp.position + [0.0, 0.0, CLEAR], grasp.quaternion), OPEN)
    return Waypoint(grasp, CLOSE)


def _yaw(thing: Pose, upright: Pose) -> Pose:
    """The turn about the tool that lines the fingers up with the object, at most a quarter: it has two sides."""
    x, y = (upright.inverse() @ thing).matrix[:2, 0]
    yaw = np.arctan2(y, x)
    yaw -= np.pi * round(yaw / np.pi)
    return Pose.from_rotvec(np.zeros(3), [0.0, 0.0, yaw])
