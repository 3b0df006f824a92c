# SPDX-License-Identifier: Apache-2.0
"""Stamps and poses as messages hold them; inverse of `rldg_core.message_values`. They need no rclpy."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose as PoseMsg
from geometry_msgs.msg import PoseStamped

from rldg_core.message_values import SECOND
from rldg_core.poses import Pose


def to_stamp(nanoseconds: int) -> Time:
    """ROS stamp of a time in ns."""
    return Time(sec=nanoseconds // SECOND, nanosec=nanoseconds % SECOND)


def to_pose_msg(pose: Pose) -> PoseMsg:
    """geometry_msgs/Pose of a pose."""
    message = PoseMsg()
    p, q = message.position, message.orientation
    p.x, p.y, p.z = map(float, pose.position)
    q.x, q.y, q.z, q.w = map(float, pose.quaternion)
    return message


def to_pose_stamped(pose: Pose, stamp: int, frame: str) -> PoseStamped:
    """geometry_msgs/PoseStamped of a pose."""
    message = PoseStamped(pose=to_pose_msg(pose))
    message.header.stamp = to_stamp(stamp)
    message.header.frame_id = frame
    return message
