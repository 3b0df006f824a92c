# SPDX-License-Identifier: Apache-2.0
"""What RViz and Foxglove are shown beside the robot: workspace, goal, target, measured pose, force, state."""

from __future__ import annotations

from itertools import product

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.ros_values import to_pose_msg

AXIS_LENGTH = 0.05
"""[m]"""
NEWTON = 0.005
"""[m] of the arrow for one"""
THIN, THICK = 0.001, 0.003
"""[m]"""
GREEN, RED, WHITE = (0.3, 0.8, 0.3), (0.9, 0.2, 0.2), (1.0, 1.0, 1.0)
COLOURS = np.eye(3)
"""of axes x, y, z"""


def workspace(task: Task) -> Marker:
    """The box's edges."""
    lower, upper = (task.goal_pose.position + end for end in (task.box.lower, task.box.upper))
    corners = [np.array(corner) for corner in product(*zip(lower, upper, strict=True))]
    marker = _marker("workspace", Marker.LINE_LIST, GREEN)
    marker.scale.x = 2 * THIN
    for a, b in product(corners, corners):
        if (a != b).sum() == 1 and tuple(a) < tuple(b):
            marker.points += [_point(a), _point(b)]
    return marker


def frame(name: str, pose: Pose, thickness: float) -> Marker:
    """Three axes."""
    marker = _marker(name, Marker.LINE_LIST, WHITE)
    marker.pose = to_pose_msg(pose)
    marker.scale.x = thickness
    for axis, colour in zip(np.eye(3), COLOURS, strict=True):
        marker.points += [_point(np.zeros(3)), _point(AXIS_LENGTH * axis)]
        marker.colors += [_colour(colour)] * 2
    return marker


def force(tcp: Pose, newtons: np.ndarray) -> Marker:
    """An arrow at the TCP: what pushes it, (3,) [N] in the TCP frame."""
    marker = _marker("force", Marker.ARROW, RED)
    marker.points = [_point(tcp.position), _point(tcp.transform(NEWTON * newtons))]
    marker.scale.x, marker.scale.y = THICK, 3 * THICK
    return marker


def words(task: Task, text: str) -> Marker:
    """A line above the workspace."""
    marker = _marker("state", Marker.TEXT_VIEW_FACING, WHITE)
    marker.pose.position = _point(task.goal_pose.position + [0.0, 0.0, task.box.upper[2] + 0.1])
    marker.scale.z = 0.02
    marker.text = text
    return marker


def _marker(name: str, kind: int, colour: tuple[float, float, float]) -> Marker:
    marker = Marker(ns=name, type=kind, action=Marker.ADD, color=_colour(np.array(colour)))
    marker.header.frame_id = "base"
    marker.pose.orientation.w = 1.0
    return marker


def _colour(rgb: np.ndarray) -> ColorRGBA:
    r, g, b = map(float, rgb)
    return ColorRGBA(r=r, g=g, b=b, a=1.0)


def _point(xyz: np.ndarray) -> Point:
    x, y, z = map(float, xyz)
    return Point(x=x, y=y, z=z)
