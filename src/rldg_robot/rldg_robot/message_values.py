# SPDX-License-Identifier: Apache-2.0
"""Plain values out of messages, be they rclpy's or read from a bag without ROS."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from rldg_robot.poses import Pose

SECOND = 1_000_000_000
"""[ns]"""


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as one integer."""
    return int(stamp.sec) * SECOND + int(stamp.nanosec)


def stamp_of(cdr: bytes) -> int:
    """Stamp [ns] of the header that a serialised message begins with, in either byte order."""
    seconds, nanosec = struct.unpack_from("<iI" if cdr[1] & 1 else ">iI", cdr, 4)
    return int(seconds) * SECOND + int(nanosec)


def pose_of(message: Any) -> Pose:
    """A geometry_msgs/Pose."""
    q = message.orientation
    return Pose(vector_of(message.position), np.array([q.x, q.y, q.z, q.w]))


def vector_of(message: Any) -> np.ndarray:
    """A geometry_msgs/Point or Vector3, (3,)."""
    return np.array([message.x, message.y, message.z])
