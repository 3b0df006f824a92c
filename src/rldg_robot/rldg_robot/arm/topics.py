# SPDX-License-Identifier: Apache-2.0
"""What a driver publishes: one moment of the body, one picture of its camera."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.node import Node

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_msgs.msg import TaskState
from rldg_robot.arm.body import (
    Array,
    Body,
    camera_messages,
    gripper_message,
    joints_message,
    pose_message,
    twist_message,
    wrench_message,
)
from rldg_robot.arm.float_topic import FloatTopic
from rldg_robot.ros import publish_on


class BodyTopics:
    """Publishers of everything that is measured but the image."""

    def __init__(self, node: Node) -> None:
        self._pose = FloatTopic(node, contract.CURRENT_POSE, BASE_FRAME, pose_message, (7,))
        self._twist = FloatTopic(node, contract.CURRENT_TWIST, BASE_FRAME, twist_message, (6,))
        self._wrench = FloatTopic(
            node, contract.EXTERNAL_WRENCH, contract.TCP_FRAME, wrench_message, (6,)
        )
        self._joints = FloatTopic(node, contract.JOINT_STATES, "", joints_message, (9, 9, 9))
        self._gripper = publish_on(node, contract.GRIPPER_STATE)
        self._task_state = publish_on(node, contract.TASK_STATE)

    def publish(self, body: Body, task_state: TaskState, stamp: Time) -> None:
        """All of one moment, under one stamp."""
        gripper = gripper_message(body)
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
        self._publishers = {
            topic.name: publish_on(node, topic)
            for topic in (contract.WRIST_IMAGE, contract.WRIST_CAMERA_INFO)
        }

    def publish(self, pixels: NDArray[np.uint8], camera: Array, stamp: Time) -> None:
        """See `camera_messages`."""
        for topic, message in camera_messages(pixels, camera, stamp):
            self._publishers[topic.name].publish(message)
