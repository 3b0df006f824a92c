# SPDX-License-Identifier: Apache-2.0
"""What a message has to be before anybody uses it: on a network anybody may say anything on any topic.

Every subscription of the contract asks here first (`ros.listen_to`). The gate's own rules for targets and wrenches are
stricter and give reasons, so it asks them instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from rldg_core import contract
from rldg_core.contract import BASE_FRAME, JOINT_NAMES, TCP_FRAME, Topic
from rldg_core.gate_reason import ReasonCode
from rldg_core.task import task_ids
from rldg_core.vocabulary import EpisodeStatus
from rldg_robot.safety import GateState

FRAMES = {
    contract.TARGET_POSE: BASE_FRAME,
    contract.POLICY_TARGET_POSE: BASE_FRAME,
    contract.CURRENT_POSE: BASE_FRAME,
    contract.CURRENT_TWIST: BASE_FRAME,
    contract.EXTERNAL_WRENCH: TCP_FRAME,
    contract.TASK_STATE: BASE_FRAME,
}
"""that headers have to name: numbers in another one mean something else"""
FARTHEST = 1e3
"""[m] of a position: no room is larger, and squares of it are numbers"""
AXES = 6
"""of a hand's device"""
MOST_OBJECTS = 100
"""in a scene"""
MOST_SHARES = 10
"""of the training episodes, in a run's status"""
LONGEST = 80
"""letters that are repeated of what somebody said"""


def fault_of(topic: Topic, message: Any) -> str:
    """Why a message of a topic cannot be used, in words; empty: it can."""
    frame = FRAMES.get(topic)
    if frame and message.header.frame_id != frame:
        return f"its frame is {quoted(message.header.frame_id)}, not '{frame}'"
    check = OF_TOPICS.get(topic) or OF_TYPES.get(topic.type)
    return check(message) if check else ""


def has_check(topic: Topic) -> bool:
    """Whether anything is asked of a topic's messages."""
    return topic in FRAMES or topic in OF_TOPICS or topic.type in OF_TYPES


def _pose_stamped(message: Any) -> str:
    return "" if _is_pose(message.pose) else _NO_POSE


def _twist_stamped(message: Any) -> str:
    return _vectors(message.twist.linear, message.twist.angular)


def _wrench_stamped(message: Any) -> str:
    return _vectors(message.wrench.force, message.wrench.torque)


def _joint_state(message: Any) -> str:
    """What is not measured may be left out, or NaN; a position may not."""
    count = len(message.name)
    for name in ("position", "velocity", "effort"):
        if len(getattr(message, name)) not in (0, count):
            return f"it names {count} joints and has {len(getattr(message, name))} of {name}"
    return "" if _finite(message.position) else "a position is NaN or infinite"


def _all_joints(message: Any) -> str:
    if tuple(message.name) != JOINT_NAMES or len(message.position) != len(JOINT_NAMES):
        return f"its joints are not {JOINT_NAMES[0]} to {JOINT_NAMES[-1]}"
    return _joint_state(message)


def _gripper(message: Any) -> str:
    numbers = [getattr(message, name, 0.0) for name in ("width", "speed", "force")]
    return "" if _finite(numbers) else "width, speed or force is NaN or infinite"


def _task_state(message: Any) -> str:
    if len(message.objects) > MOST_OBJECTS:
        return f"it has {len(message.objects)} objects"
    if not all(map(_is_pose, (message.goal, message.offset, *message.objects))):
        return _NO_POSE
    numbers = (message.progress, message.gripper)
    return "" if _finite(numbers) else "progress or gripper is NaN or infinite"


def _joy(message: Any) -> str:
    if len(message.axes) < AXES:
        return f"it has {len(message.axes)} axes, not {AXES}"
    return "" if _finite(message.axes) else "an axis is NaN or infinite"


def _episode(message: Any) -> str:
    name = f"{message.task}/{message.variant}"
    if message.status not in range(len(EpisodeStatus)):
        return f"{message.status} is no status of an episode"
    return "" if name in task_ids() else f"there is no task {quoted(name)}"


def _safety(message: Any) -> str:
    if message.state not in set(GateState):
        return f"{message.state} is no state of the gate"
    known = message.reason_code in set(ReasonCode)
    return "" if known else f"{message.reason_code} is no code of a reason"


def _run_status(message: Any) -> str:
    numbers = (
        *(message.success_rate, message.cycle_seconds, message.steps_per_second),
        *(message.wall_seconds, message.seconds_left, message.reset_seconds),
    )
    if len(message.by_hand) > MOST_SHARES or not all(0.0 <= n < FARTHEST for n in message.by_hand):
        return f"by_hand is not of {MOST_SHARES} shares at most"
    return "" if _finite(numbers) else "it has NaN or infinity"


def _transition(message: Any) -> str:
    picture = 3 * message.image_height * message.image_width
    if len(message.image) not in (0, picture) or len(message.next_image) not in (0, picture):
        return "its images are not of the size that it states"
    numbers = (*message.observation, *message.next_observation, *message.action, message.reward)
    return "" if _finite(numbers) else "it has NaN or infinity"


OF_TOPICS: dict[Topic, Callable[[Any], str]] = {contract.JOINT_STATES: _all_joints}
OF_TYPES: dict[str, Callable[[Any], str]] = {
    "geometry_msgs/msg/PoseStamped": _pose_stamped,
    "geometry_msgs/msg/TwistStamped": _twist_stamped,
    "geometry_msgs/msg/WrenchStamped": _wrench_stamped,
    "sensor_msgs/msg/JointState": _joint_state,
    "sensor_msgs/msg/Joy": _joy,
    "rldg_msgs/msg/GripperCommand": _gripper,
    "rldg_msgs/msg/GripperState": _gripper,
    "rldg_msgs/msg/TaskState": _task_state,
    "rldg_msgs/msg/Episode": _episode,
    "rldg_msgs/msg/SafetyState": _safety,
    "rldg_msgs/msg/RunStatus": _run_status,
    "rldg_msgs/msg/Transition": _transition,
}

_NO_POSE = (
    "it is no pose: NaN, infinity, more than a kilometre or a quaternion that is not of unit length"
)


def _is_pose(message: Any) -> bool:
    p, q = message.position, message.orientation
    length = q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w
    return all(abs(value) <= FARTHEST for value in (p.x, p.y, p.z)) and abs(length - 1.0) < 1e-3


def _vectors(*vectors: Any) -> str:
    numbers = [number for vector in vectors for number in (vector.x, vector.y, vector.z)]
    return "" if _finite(numbers) else "it has NaN or infinity"


def quoted(text: str) -> str:
    """What somebody said, as it can be repeated: on one line, and not all of it."""
    return repr(text[:LONGEST])


def _finite(numbers: Iterable[float]) -> bool:
    return all(map(math.isfinite, numbers))
