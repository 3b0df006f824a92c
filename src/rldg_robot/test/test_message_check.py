# SPDX-License-Identifier: Apache-2.0
"""What a message has to be before a node uses it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.time_source import TimeSource
from rosgraph_msgs.msg import Clock

from rldg_core import contract
from rldg_core.contract import JOINT_NAMES, TOPICS, Topic
from rldg_core.message_values import SECOND
from rldg_robot.message_check import FRAMES, MOST_OBJECTS, fault_of, has_check
from rldg_robot.ros import message_class, message_in

NAN, INFINITY = math.nan, math.inf


def sound(topic: Topic) -> Any:
    """A message as our own nodes send it."""
    message = message_class(topic)()
    if topic in FRAMES:
        message.header.frame_id = FRAMES[topic]
    if topic is contract.JOINT_STATES:
        message.name, message.position = list(JOINT_NAMES), [0.0] * 9
    if topic is contract.SPACENAV_JOY:
        message.axes, message.buttons = [0.0] * 6, [0, 0]
    if topic is contract.EPISODE:
        message.task, message.variant = "connector", "vga"
    return message


CHECKED = [topic for topic in TOPICS.values() if has_check(topic)]


@pytest.mark.parametrize("topic", CHECKED, ids=lambda topic: topic.name)
def test_what_our_own_nodes_send_can_be_used(topic: Topic) -> None:
    assert fault_of(topic, sound(topic)) == ""


def put(**values: Any) -> Callable[[Any], None]:
    """Put values into fields: `pose__position__x=1.0`."""

    def change(message: Any) -> None:
        for path, value in values.items():
            *holders, field = path.split("__")
            for holder in holders:
                message = getattr(message, holder)
            setattr(message, field, value)

    return change


WORD = "rldg " * 100
FAULTS: list[tuple[Topic, Callable[[Any], None], str]] = [
    (contract.CURRENT_POSE, put(header__frame_id="world"), "its frame is 'world', not 'base'"),
    (contract.TARGET_POSE, put(header__frame_id="\033[2Jworld"), r"\x1b[2J"),
    (contract.TARGET_POSE, put(pose__position__x=NAN), "no pose"),
    (contract.TARGET_POSE, put(pose__position__x=1e300), "no pose"),
    (contract.TARGET_POSE, put(pose__orientation__w=0.0), "no pose"),
    (contract.POLICY_TARGET_POSE, put(pose__orientation__w=2.0), "no pose"),
    (contract.CURRENT_TWIST, put(twist__angular__z=INFINITY), "NaN or infinity"),
    (contract.EXTERNAL_WRENCH, put(wrench__force__z=NAN), "NaN or infinity"),
    (contract.EXTERNAL_WRENCH, put(header__frame_id="base"), "not 'fr3_hand_tcp'"),
    (contract.GRIPPER_COMMAND, put(width=NAN), "width"),
    (contract.POLICY_GRIPPER, put(force=INFINITY), "width"),
    (contract.GRIPPER_STATE, put(width=NAN), "width"),
    (contract.JOINT_STATES, put(position=[0.0] * 8), "its joints are not"),
    (contract.JOINT_STATES, put(name=["a"] * 9), "its joints are not"),
    (contract.JOINT_STATES, put(velocity=[0.0] * 8), "8 of velocity"),
    (contract.JOINT_STATES, put(position=[NAN] * 9), "a position is NaN"),
    (contract.SPACENAV_JOY, put(axes=[0.0] * 5), "5 axes, not 6"),
    (contract.SPACENAV_JOY, put(axes=[NAN] * 6), "NaN"),
    (contract.TASK_STATE, put(goal__position__y=NAN), "no pose"),
    (contract.TASK_STATE, put(offset__orientation__x=5.0), "no pose"),
    (contract.TASK_STATE, put(progress=NAN), "progress"),
    (contract.TASK_STATE, put(gripper=INFINITY), "progress or gripper"),
    (contract.EPISODE, put(variant="nothing"), "there is no task 'connector/nothing'"),
    (contract.EPISODE, put(task=WORD), "there is no task 'rldg"),
    (contract.EPISODE, put(status=200), "200 is no status"),
    (contract.SAFETY_STATE, put(state=7), "7 is no state of the gate"),
    (contract.SAFETY_STATE, put(reason_code=77), "77 is no code of a reason"),
    (contract.RUN_STATUS, put(wall_seconds=INFINITY), "NaN or infinity"),
    (contract.RUN_STATUS, put(success_rate=NAN), "NaN or infinity"),
    (contract.RUN_STATUS, put(by_hand=[-1e30]), "by_hand"),
    (contract.RUN_STATUS, put(by_hand=[NAN]), "by_hand"),
    (contract.RUN_STATUS, put(by_hand=[0.5] * 1000), "by_hand"),
    (contract.TRANSITION, put(image=b"\0" * 10, image_height=128, image_width=128), "images"),
    (contract.TRANSITION, put(observation=[NAN]), "NaN"),
    (contract.TRANSITION, put(action=np.full(7, NAN, np.float32)), "NaN"),
]


@pytest.mark.parametrize(("topic", "change", "complaint"), FAULTS)
def test_what_cannot_be_used_is_refused(
    topic: Topic, change: Callable[[Any], None], complaint: str
) -> None:
    message = sound(topic)
    change(message)
    fault = fault_of(topic, message)
    assert complaint in fault and len(fault) < 200 and fault.isprintable()


def test_a_time_before_1970_on_the_clock_is_passed_over() -> None:
    source = TimeSource()
    source.clock_callback(Clock(clock=Time(sec=7)))
    for second in (-1, -(2**31)):
        source.clock_callback(Clock(clock=Time(sec=second)))
    assert source._last_time_set.nanoseconds == 7 * SECOND


def test_bytes_that_are_no_message_are_none() -> None:
    whole = bytes(serialize_message(sound(contract.EPISODE)))
    assert message_in(whole, contract.EPISODE) == sound(contract.EPISODE)
    for length in range(len(whole)):
        message_in(whole[:length], contract.EPISODE)
    assert message_in(whole[:20], contract.EPISODE) is None
    assert message_in(whole[:4] + b"\xff" * 200, contract.EPISODE) is None


def test_too_many_objects_are_none() -> None:
    message = sound(contract.TASK_STATE)
    message.objects = [message.goal] * (MOST_OBJECTS + 1)
    assert "objects" in fault_of(contract.TASK_STATE, message)


@pytest.mark.parametrize("topic", CHECKED, ids=lambda topic: topic.name)
def test_no_bytes_that_are_a_message_raise_and_no_number_that_is_none_passes(topic: Topic) -> None:
    rng = np.random.default_rng(0)
    whole = bytes(serialize_message(sound(topic)))
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            place = 4 + 4 * int(rng.integers((len(whole) - 4) // 4))
            odd = struct.pack("<f", rng.choice([NAN, INFINITY, 1e30, -1.0]))
            changed[place : place + 4] = [odd, rng.bytes(4)][rng.integers(2)]
        try:
            message = deserialize_message(bytes(changed), message_class(topic))
        except Exception:  # it never comes so far: the middleware drops it
            continue
        if not fault_of(topic, message):
            assert all(map(math.isfinite, _used(topic, message)))


def _used(topic: Topic, message: Any) -> list[float]:
    """Numbers that nodes calculate with."""
    if hasattr(message, "pose"):
        place = message.pose.position
        return [place.x, place.y, place.z]
    if topic is contract.JOINT_STATES:
        return list(message.position)
    if hasattr(message, "axes"):
        return list(message.axes)
    return [
        getattr(message, name)
        for name in ("width", "progress", "gripper")
        if hasattr(message, name)
    ]
