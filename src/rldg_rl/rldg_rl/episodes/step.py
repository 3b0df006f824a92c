# SPDX-License-Identifier: Apache-2.0
"""One control step: its shape, and how it becomes a message, comes out of a bag, and goes into the replay buffer.

    ControlStep ──► Step (recorded) ──► ControlStep again, from a bag
         └────────► StoredStep ──► Transition (sent) ──► StoredStep again, at the learner

A new field stands in the message, here, and in the actor that fills it; everything between passes it on.
"""

from __future__ import annotations

import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from rldg_core.contract import BASE_FRAME
from rldg_core.files.picture import BadPicture
from rldg_core.message_values import SECOND
from rldg_core.vocabulary import ExecutedBy
from rldg_rl.robot.observation import Observation

NOTHING = np.zeros(0, np.float32)
Message = TypeVar("Message")


@dataclass(frozen=True)
class Belief:
    """What a policy wants, and what it believes of it."""

    action: np.ndarray
    """(A,) in [-1, 1], the learned dimensions: the motion (6,), then the gripper where it is learned"""
    mean: np.ndarray
    """(6,) of the motion's Gaussian before tanh; empty where the policy is none"""
    log_std: np.ndarray
    """(6,)"""
    version: int
    author: ExecutedBy = ExecutedBy.POLICY
    """whose action it is; in a replay, whose it was"""


@dataclass(frozen=True)
class ControlStep:
    """One control step and what came of it."""

    episode_id: str
    source: str
    """of the episode: of `Source`"""
    index: int
    seen: Observation
    state: np.ndarray
    """(state_dim(task),) float32: what the policy saw"""
    action: np.ndarray
    """(7,) float32 as executed"""
    gripper_changed: bool
    """whether the action asked the gripper for something else than what held"""
    handed_over: bool
    """whether the task's hand-over had been reached: specialists do not learn from what comes before"""
    executed_by: ExecutedBy
    belief: Belief | None
    """None where no policy decided, and of a step out of a bag"""
    reward: float
    terminated: bool
    truncated: bool
    after: Observation
    next_state: np.ndarray


@dataclass(frozen=True)
class StoredStep:
    """One control step as the learner receives it."""

    episode_id: str
    """the episode it belongs to"""
    index: int
    """0-based number of this step in its episode"""
    observation: np.ndarray
    """(observation_dim,) what the policy saw before the action; in variants (variants, observation_dim)"""
    action: np.ndarray
    """(action_dim,) the executed action in [-1, 1]"""
    executed_by: int
    """of `ExecutedBy`"""
    reward: float
    """reward of this step"""
    terminated: bool = False
    """the task ended here: no value lies beyond"""
    truncated: bool = False
    """the time ran out here: the value of the next observation still counts"""
    next_observation: np.ndarray | None = None
    """likewise what was seen after an episode's last step; None before"""
    gripper_changed: bool = False
    """the action asked the gripper for something else than what held"""
    image: np.ndarray | None = None
    """(H, W, 3) uint8 of the same moment as the observation; None unless the policy sees"""
    next_image: np.ndarray | None = None
    """likewise of next_observation"""
    source: str = ""
    """of the episode: of `Source`; empty where it is none of the run's own"""


def step_message(step: ControlStep, empty: Message) -> Message:
    """A step for the record: an empty rldg_msgs/Step, filled."""
    message: Any = _filled(empty, step_fields(step))
    message.header.stamp = message.next_state_stamp
    message.header.frame_id = BASE_FRAME
    return empty


def step_fields(step: ControlStep) -> dict[str, Any]:
    """The fields of rldg_msgs/Step but for the header; stamps in ns."""
    return {
        "episode_id": step.episode_id,
        "index": step.index,
        "image_stamp": step.seen.image_stamp,
        "state_stamp": step.seen.state_stamp,
        "next_image_stamp": step.after.image_stamp,
        "next_state_stamp": step.after.state_stamp,
        "action": step.action,
        "executed_by": int(step.executed_by),
        "reward": step.reward,
        "terminated": step.terminated,
        "truncated": step.truncated,
    } | ({} if step.belief is None else belief_fields(step.belief))


def belief_fields(belief: Belief) -> dict[str, Any]:
    """Those of them that tell what a policy believed."""
    return {
        "policy_mean": belief.mean.astype(np.float32),
        "policy_log_std": belief.log_std.astype(np.float32),
        "policy_version": belief.version,
    }


def recorded_step(
    message: Any,
    source: str,
    observations: tuple[Observation, Observation],
    states: tuple[np.ndarray, np.ndarray],
    gripper_changed: bool,
    handed_over: bool,
) -> ControlStep:
    """A step out of a bag, but for what the policy believed; inverse of `step_fields`.

    Args:
        message: rldg_msgs/Step.
        source: of its episode.
        observations: before the action, and after it.
        states: the vectors (state_dim(task),) of both.
        gripper_changed: see `ControlStep`.
        handed_over: likewise.
    """
    return ControlStep(
        episode_id=message.episode_id,
        source=source,
        index=int(message.index),
        seen=observations[0],
        state=states[0],
        action=np.asarray(message.action, np.float32),
        gripper_changed=gripper_changed,
        handed_over=handed_over,
        executed_by=ExecutedBy(int(message.executed_by)),
        belief=None,
        reward=float(message.reward),
        terminated=bool(message.terminated),
        truncated=bool(message.truncated),
        after=observations[1],
        next_state=states[1],
    )


def stored_step(step: ControlStep, looks: bool = False) -> StoredStep:
    """A step as the learner gets it; with its images where the policy `looks`."""
    last = step.terminated or step.truncated
    return StoredStep(
        episode_id=step.episode_id,
        index=step.index,
        observation=step.state,
        action=step.action,
        executed_by=int(step.executed_by),
        reward=step.reward,
        terminated=step.terminated,
        truncated=step.truncated,
        next_observation=step.next_state if last else None,
        gripper_changed=step.gripper_changed,
        image=step.seen.image if looks else None,
        next_image=step.after.image if looks and last else None,
        source=step.source,
    )


def transition_message(step: ControlStep, empty: Message, looks: bool = False) -> Message:
    """A step for the learner, with its images where the policy `looks`: an empty rldg_msgs/Transition, filled."""
    message: Any = _filled(empty, transition_fields(stored_step(step, looks)))
    _set_stamp(message.header.stamp, step.after.state_stamp)
    return empty


def transition_fields(step: StoredStep) -> dict[str, Any]:
    """The fields of rldg_msgs/Transition but for header and run."""
    height, width = (0, 0) if step.image is None else step.image.shape[:2]
    return {
        "episode_id": step.episode_id,
        "index": step.index,
        "observation": step.observation,
        "action": step.action,
        "gripper_changed": step.gripper_changed,
        "executed_by": step.executed_by,
        "reward": step.reward,
        "terminated": step.terminated,
        "truncated": step.truncated,
        "next_observation": NOTHING if step.next_observation is None else step.next_observation,
        "image_height": height,
        "image_width": width,
        "image": b"" if step.image is None else step.image.tobytes(),
        "next_image": b"" if step.next_image is None else step.next_image.tobytes(),
        "source": step.source,
    }


def received_step(message: Any) -> StoredStep:
    """A step as the buffer takes it; inverse of `transition_fields`.

    Raises:
        BadPicture: an image has another size than it says.
    """
    following = np.array(message.next_observation, np.float32)
    return StoredStep(
        episode_id=message.episode_id,
        index=message.index,
        observation=np.array(message.observation, np.float32),
        action=np.array(message.action, np.float32),
        executed_by=message.executed_by,
        reward=message.reward,
        terminated=message.terminated,
        truncated=message.truncated,
        next_observation=following if len(following) else None,
        gripper_changed=message.gripper_changed,
        image=_image(message, message.image),
        next_image=_image(message, message.next_image),
        source=message.source,
    )


def _image(message: Any, pixels: Any) -> np.ndarray | None:
    if not pixels:
        return None
    size = (int(message.image_height), int(message.image_width), 3)
    if len(pixels) != np.prod(size, dtype=object):
        raise BadPicture(f"a picture of {size[1]}x{size[0]} has {len(pixels)} bytes")
    return np.frombuffer(pixels, np.uint8).reshape(size)


def _filled(message: Message, fields: Mapping[str, Any]) -> Message:
    """A message with its fields set from plain values: stamps in ns, arrays of floats, bytes."""
    for name, value in fields.items():
        if name.endswith("_stamp"):
            _set_stamp(getattr(message, name), value)
        else:
            setattr(message, name, _as_field(value))
    return message


def _set_stamp(stamp: Any, nanoseconds: int) -> None:
    stamp.sec, stamp.nanosec = divmod(nanoseconds, SECOND)


def _as_field(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        # rclpy copies an array.array at once and anything else byte by byte
        return array.array("B", value)
    return value
