# SPDX-License-Identifier: Apache-2.0
"""What is written into bags without rclpy is what rclpy would have sent."""

from __future__ import annotations

from typing import Any

import pytest
from geometry_msgs.msg import Pose as PoseMsg
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Joy
from std_msgs.msg import String

from rldg_core import contract
from rldg_core.bags.encoding import encode
from rldg_core.contract import Topic
from rldg_core.task import load_task
from rldg_msgs.msg import Episode, SafetyState, Step, TaskState
from rldg_robot.arm.body import body_messages, camera_messages
from rldg_robot.ros_values import to_stamp
from rldg_robot.simulation.twin import Twin
from rldg_robot.simulation.twin_moment import moment_of


def moment() -> list[tuple[Topic, Any]]:
    """Everything that a driver publishes of one moment."""
    twin = Twin(load_task("pick_place/pepper"))
    twin.reset(seed=1)
    stamp = to_stamp(1_700_000_000_123_456_789)
    found = [
        *body_messages(*moment_of(twin), stamp),
        *camera_messages(twin.image(), twin.camera_matrix, stamp),
    ]
    twin.close()
    return found


SAID: tuple[tuple[Topic, Any], ...] = (
    (contract.STEP, Step(episode_id="a", index=3, action=[0.5] * 7, policy_mean=[0.25] * 6)),
    (contract.STEP, Step()),
    (contract.EPISODE, Episode(episode_id="b", seed=2**62, instruction="grün")),
    (contract.SAFETY_STATE, SafetyState(reason="pressed", task="connector/vga", clamped=2)),
    (contract.SPACENAV_JOY, Joy(axes=[0.1] * 6, buttons=[1, 0])),
    (contract.TASK_STATE, TaskState(objects=[PoseMsg(), PoseMsg()])),
    (contract.INSTRUCTION, String(data="")),
)


@pytest.mark.parametrize(("topic", "message"), SAID)
def test_a_message_is_the_same_to_who_reads_it(topic: Topic, message: Any) -> None:
    sent = deserialize_message(serialize_message(message), type(message))
    assert deserialize_message(encode(topic, message), type(message)) == sent


def test_so_is_a_moment_of_the_robot() -> None:
    found = moment()
    assert [topic.name for topic, _ in found] == [
        *("current_pose", "current_twist", "external_wrench", "joint_states", "gripper/state"),
        *("task_state", "wrist_camera/color/camera_info", "wrist_camera/color/image_raw"),
    ]
    for topic, message in found:
        test_a_message_is_the_same_to_who_reads_it(topic, message)
