# SPDX-License-Identifier: Apache-2.0
"""What a driver publishes, made from plain values: one moment of the body, one picture of its camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped, Vector3, Wrench, WrenchStamped
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_core.poses import Pose
from rldg_msgs.msg import GripperState, TaskState
from rldg_robot.arm.float_topic import FloatTopic
from rldg_robot.ros import publish_on, to_pose_msg

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
        self._pose = FloatTopic(node, contract.CURRENT_POSE, BASE_FRAME, _pose, (7,))
        self._twist = FloatTopic(node, contract.CURRENT_TWIST, BASE_FRAME, _twist, (6,))
        self._wrench = FloatTopic(node, contract.EXTERNAL_WRENCH, contract.TCP_FRAME, _wrench, (6,))
        self._joints = FloatTopic(node, contract.JOINT_STATES, "", _joints, (9, 9, 9))
        self._gripper = publish_on(node, contract.GRIPPER_STATE)
        self._task_state = publish_on(node, contract.TASK_STATE)

    def publish(self, body: Body, task_state: TaskState, stamp: Time) -> None:
        """All of one moment, under one stamp."""
        gripper = GripperState(
            width=float(body.gripper_width),
            moving=bool(body.gripper_moving),
            grasped=bool(body.gripper_grasped),
        )
        gripper.header.stamp = task_state.header.stamp = stamp
        task_state.header.frame_id = BASE_FRAME
        self._pose.publish(stamp, np.concatenate((body.pose.position, body.pose.quaternion)))
        self._twist.publish(stamp, body.twist)
        self._wrench.publish(stamp, body.wrench)
        self._joints.publish(stamp, body.joint_positions, body.joint_velocities, body.joint_efforts)
        self._gripper.publish(gripper)
        self._task_state.publish(task_state)


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


def _pose(values: Array) -> PoseStamped:
    return PoseStamped(pose=to_pose_msg(Pose(values[:3], values[3:])))


def _twist(values: Array) -> TwistStamped:
    return TwistStamped(twist=Twist(linear=_vector(values[:3]), angular=_vector(values[3:])))


def _wrench(values: Array) -> WrenchStamped:
    return WrenchStamped(wrench=Wrench(force=_vector(values[:3]), torque=_vector(values[3:])))


def _joints(position: Array, velocity: Array, effort: Array) -> JointState:
    names = list(contract.JOINT_NAMES)
    return JointState(name=names, position=position, velocity=velocity, effort=effort)


def _vector(values: Array) -> Vector3:
    x, y, z = values.tolist()
    return Vector3(x=x, y=y, z=z)
