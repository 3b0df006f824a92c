# SPDX-License-Identifier: Apache-2.0
"""What a driver publishes, made from plain values: one moment of the body, one picture of its camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from rldg_msgs.msg import GripperState, TaskState
from rldg_robot import contract
from rldg_robot.poses import Pose
from rldg_robot.ros import TCP_FRAME, publish_on, to_pose_msg
from rldg_robot.safety import BASE_FRAME

Array = NDArray[np.float64]

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


class BodyTopics:
    """Publishers of everything that is measured but the image."""

    def __init__(self, node: Node) -> None:
        self._pose = publish_on(node, contract.CURRENT_POSE)
        self._twist = publish_on(node, contract.CURRENT_TWIST)
        self._wrench = publish_on(node, contract.EXTERNAL_WRENCH)
        self._joints = publish_on(node, contract.JOINT_STATES)
        self._gripper = publish_on(node, contract.GRIPPER_STATE)
        self._task_state = publish_on(node, contract.TASK_STATE)

    def publish(self, body: Body, task_state: TaskState, stamp: Time) -> None:
        """All of one moment, under one stamp."""
        twist = TwistStamped()
        _fill(twist.twist.linear, body.twist[:3])
        _fill(twist.twist.angular, body.twist[3:])
        wrench = WrenchStamped()
        _fill(wrench.wrench.force, body.wrench[:3])
        _fill(wrench.wrench.torque, body.wrench[3:])
        joints = JointState(
            name=list(contract.JOINT_NAMES),
            position=body.joint_positions.tolist(),
            velocity=body.joint_velocities.tolist(),
            effort=body.joint_efforts.tolist(),
        )
        gripper = GripperState(
            width=float(body.gripper_width),
            moving=bool(body.gripper_moving),
            grasped=bool(body.gripper_grasped),
        )
        for publisher, message, frame in (
            (self._pose, PoseStamped(pose=to_pose_msg(body.pose)), BASE_FRAME),
            (self._twist, twist, BASE_FRAME),
            (self._wrench, wrench, TCP_FRAME),
            (self._joints, joints, ""),
            (self._gripper, gripper, ""),
            (self._task_state, task_state, BASE_FRAME),
        ):
            message.header.stamp = stamp
            message.header.frame_id = frame
            publisher.publish(message)


class CameraTopics:
    """Publishers of the wrist image and of what the camera is like."""

    def __init__(self, node: Node) -> None:
        self._image = publish_on(node, contract.WRIST_IMAGE)
        self._info = publish_on(node, contract.WRIST_CAMERA_INFO)

    def publish(self, pixels: NDArray[np.uint8], camera: Array, stamp: Time) -> None:
        """RGB (height, width, 3) and its pinhole intrinsics (3, 3) [pixel]."""
        height, width, _ = pixels.shape
        image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        image.data = pixels.tobytes()
        info = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = camera.flatten()
        info.r = np.eye(3).flatten()
        info.p = np.hstack([camera, np.zeros((3, 1))]).flatten()
        for publisher, message in ((self._info, info), (self._image, image)):
            message.header.stamp = stamp
            message.header.frame_id = CAMERA_FRAME
            publisher.publish(message)


def _fill(vector: Any, values: Array) -> None:
    vector.x, vector.y, vector.z = map(float, values)
