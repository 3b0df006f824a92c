# SPDX-License-Identifier: Apache-2.0
"""What a driver publishes, as messages made from plain values: they need no rclpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped, Vector3, Wrench, WrenchStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, JointState

from rldg_core import contract
from rldg_core.contract import BASE_FRAME, TCP_FRAME, Topic
from rldg_core.poses import Pose
from rldg_msgs.msg import GripperState, TaskState
from rldg_robot.ros_values import to_pose_msg

Array = NDArray[np.float64]
Messages = Iterator[tuple[Topic, Any]]
"""each with the topic that it is for"""

CAMERA_FRAME = "wrist_camera_color_optical_frame"


@dataclass(frozen=True)
class Body:
    """What is measured in one moment."""

    pose: Pose
    """of the TCP in base"""
    twist: Array
    """[m/s, rad/s] (6,) of the TCP, in axes of base"""
    wrench: Array
    """[N, Nm] (6,) what the environment exerts on the robot at the TCP, in the TCP frame"""
    joint_positions: Array
    """[rad, m] (9,) as in contract.JOINT_NAMES"""
    joint_velocities: Array
    """[rad/s, m/s] (9,)"""
    joint_efforts: Array
    """[Nm, N] (9,)"""
    gripper_width: float
    """[m]"""
    gripper_moving: bool
    gripper_grasped: bool
    """whether the fingers press on something"""


def body_messages(body: Body, task_state: TaskState, stamp: Time) -> Messages:
    """All of one moment but the picture, under one stamp."""
    pose = np.concatenate((body.pose.position, body.pose.quaternion))
    of_floats = (
        (contract.CURRENT_POSE, BASE_FRAME, pose_message(pose)),
        (contract.CURRENT_TWIST, BASE_FRAME, twist_message(body.twist)),
        (contract.EXTERNAL_WRENCH, TCP_FRAME, wrench_message(body.wrench)),
        (
            contract.JOINT_STATES,
            "",
            joints_message(body.joint_positions, body.joint_velocities, body.joint_efforts),
        ),
        (contract.GRIPPER_STATE, "", gripper_message(body)),
        (contract.TASK_STATE, BASE_FRAME, task_state),
    )
    for topic, frame, message in of_floats:
        message.header.stamp, message.header.frame_id = stamp, frame
        yield topic, message


def camera_messages(pixels: NDArray[np.uint8], camera: Array, stamp: Time) -> Messages:
    """RGB (height, width, 3) and its pinhole intrinsics (3, 3) [pixel]."""
    height, width, _ = pixels.shape
    image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    image.data = pixels.tobytes()
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = camera.flatten()
    info.r = np.eye(3).flatten()
    info.p = np.hstack([camera, np.zeros((3, 1))]).flatten()
    for topic, message in ((contract.WRIST_CAMERA_INFO, info), (contract.WRIST_IMAGE, image)):
        message.header.stamp, message.header.frame_id = stamp, CAMERA_FRAME
        yield topic, message


def gripper_message(body: Body) -> GripperState:
    """What is known of the hand."""
    return GripperState(
        width=float(body.gripper_width),
        moving=bool(body.gripper_moving),
        grasped=bool(body.gripper_grasped),
    )


def pose_message(values: Array) -> PoseStamped:
    """Position (3,) and quaternion x y z w."""
    return PoseStamped(pose=to_pose_msg(Pose(values[:3], values[3:])))


def twist_message(values: Array) -> TwistStamped:
    """Linear [m/s], then angular [rad/s]."""
    return TwistStamped(twist=Twist(linear=_vector(values[:3]), angular=_vector(values[3:])))


def wrench_message(values: Array) -> WrenchStamped:
    """Force [N], then torque [Nm]."""
    return WrenchStamped(wrench=Wrench(force=_vector(values[:3]), torque=_vector(values[3:])))


def joints_message(position: Array, velocity: Array, effort: Array) -> JointState:
    """Of every joint (9,)."""
    names = list(contract.JOINT_NAMES)
    return JointState(name=names, position=position, velocity=velocity, effort=effort)


def _vector(values: Array) -> Vector3:
    x, y, z = values.tolist()
    return Vector3(x=x, y=y, z=z)
