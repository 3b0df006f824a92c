# SPDX-License-Identifier: Apache-2.0
"""Plain values out of messages, be they rclpy's or read from a bag without ROS."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from rldg_core.poses import Pose

SECOND = 1_000_000_000
"""[ns]"""


STAMPED = 12
"""bytes of a serialised message up to the end of its header's stamp"""


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as one integer."""
    return int(stamp.sec) * SECOND + int(stamp.nanosec)


def time_span(seconds: float) -> str:
    """A duration in the unit in which a person thinks of it: `0.5 s`, `3.0 min`, `1.0 h`, `20 days`."""
    for unit, length, limit in (("s", 1.0, 120.0), ("min", 60.0, 3570.0), ("h", 3600.0, 172_800.0)):
        if abs(seconds) < limit:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def stamp_of(cdr: bytes) -> int:
    """Stamp [ns] of the header that a serialised message begins with, in either byte order."""
    seconds, nanosec = struct.unpack_from("<iI" if cdr[1] & 1 else ">iI", cdr, 4)
    return int(seconds) * SECOND + int(nanosec)


def frame_of(cdr: bytes) -> str:
    """Name of the frame in the header that a serialised message begins with; empty where it names none."""
    (length,) = struct.unpack_from("<I" if cdr[1] & 1 else ">I", cdr, 12)
    return cdr[16 : 16 + length].rstrip(b"\0").decode(errors="replace").lstrip("/")


def pose_of(message: Any) -> Pose:
    """A geometry_msgs/Pose."""
    q = message.orientation
    return Pose(vector_of(message.position), np.array([q.x, q.y, q.z, q.w]))


def vector_of(message: Any) -> np.ndarray:
    """A geometry_msgs/Point or Vector3, (3,)."""
    return np.array([message.x, message.y, message.z])


def twist_of(message: Any) -> np.ndarray:
    """A geometry_msgs/Twist: (6,) linear [m/s], then angular [rad/s]."""
    return np.concatenate([vector_of(message.linear), vector_of(message.angular)])


def wrench_of(message: Any) -> np.ndarray:
    """A geometry_msgs/Wrench: (6,) force [N], then torque [Nm]."""
    return np.concatenate([vector_of(message.force), vector_of(message.torque)])
