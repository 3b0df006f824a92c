# SPDX-License-Identifier: Apache-2.0
"""What a driver publishes arrives as it was measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from harness import PATIENCE
from rclpy.node import Node

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_core.message_values import nanoseconds, pose_of, vector_of
from rldg_core.poses import Pose
from rldg_msgs.msg import TaskState
from rldg_robot.arm.body import Body
from rldg_robot.arm.topics import BodyTopics
from rldg_robot.ros import listen_to, make_executor
from rldg_robot.ros_values import to_stamp

TOPICS = (
    contract.CURRENT_POSE,
    contract.CURRENT_TWIST,
    contract.EXTERNAL_WRENCH,
    contract.JOINT_STATES,
    contract.GRIPPER_STATE,
    contract.TASK_STATE,
)


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    rclpy.init()
    yield Node("tester")
    rclpy.shutdown()


def body(rng: np.random.Generator) -> Body:
    """Any values; they stand for nothing."""
    return Body(
        pose=Pose.from_rotvec(rng.normal(size=3), rng.normal(size=3)),
        twist=rng.normal(size=6),
        wrench=rng.normal(size=6),
        joint_positions=rng.normal(size=9),
        joint_velocities=rng.normal(size=9),
        joint_efforts=rng.normal(size=9),
        gripper_width=float(np.float32(rng.uniform())),
        gripper_moving=bool(rng.integers(2)),
        gripper_grasped=bool(rng.integers(2)),
    )


def test_every_moment_arrives_as_it_was_measured(node: Node) -> None:
    heard: dict[str, Any] = {}
    for topic in TOPICS:
        listen_to(node, topic, lambda m, name=topic.name: heard.__setitem__(name, m))
    topics, executor = BodyTopics(node), make_executor(node)
    rng = np.random.default_rng(0)
    for moment in (1_795_000_000_999_999_999, 3_000_000_001):
        sent, end = body(rng), time.monotonic() + PATIENCE
        heard.clear()
        while len(heard) < len(TOPICS):
            assert time.monotonic() < end, f"only {sorted(heard)}"
            topics.publish(sent, TaskState(progress=0.5), to_stamp(moment))
            executor.spin_once(timeout_sec=0.05)
        pose, twist, wrench, joints, gripper, task_state = (heard[t.name] for t in TOPICS)
        assert {nanoseconds(m.header.stamp) for m in heard.values()} == {moment}
        frames = [m.header.frame_id for m in (pose, twist, wrench, task_state)]
        assert frames == [BASE_FRAME, BASE_FRAME, contract.TCP_FRAME, BASE_FRAME]
        assert (pose_of(pose.pose).position == sent.pose.position).all()
        assert (pose_of(pose.pose).quaternion == sent.pose.quaternion).all()
        for part, values in (
            (twist.twist.linear, sent.twist[:3]),
            (twist.twist.angular, sent.twist[3:]),
            (wrench.wrench.force, sent.wrench[:3]),
            (wrench.wrench.torque, sent.wrench[3:]),
        ):
            assert (vector_of(part) == values).all()
        assert tuple(joints.name) == contract.JOINT_NAMES
        assert list(joints.position) == sent.joint_positions.tolist()
        assert list(joints.velocity) == sent.joint_velocities.tolist()
        assert list(joints.effort) == sent.joint_efforts.tolist()
        assert (gripper.width, gripper.moving, gripper.grasped) == (
            sent.gripper_width,
            sent.gripper_moving,
            sent.gripper_grasped,
        )
        assert task_state.progress == 0.5
