# SPDX-License-Identifier: Apache-2.0
"""What the actor lived, as messages; and transitions back as the buffer stores them."""

from __future__ import annotations

import array

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from rldg_core.contract import BASE_FRAME
from rldg_core.files.picture import BadPicture
from rldg_msgs.msg import Episode, Step, Transition
from rldg_rl.acting.actor import EpisodeResult, LivedStep
from rldg_rl.acting.inference import Health
from rldg_rl.episodes.replay_buffer import StoredStep
from rldg_robot.ros import to_stamp


def episode_message(result: EpisodeResult, stamp: int) -> Episode:
    """An episode as it stands now: open, or closed with its outcome."""
    message = Episode(
        episode_id=result.episode_id,
        status=result.status.number,
        task=result.task.family,
        variant=result.task.variant,
        instruction=result.instruction or result.task.instruction,
        source=result.source,
        seed=result.seed,
        embodiment="fr3_hand",
        region="table",
        domain="sim",
        steps=result.steps,
        reason=result.reason,
    )
    message.header.stamp = to_stamp(stamp)
    message.header.frame_id = BASE_FRAME
    return message


def step_message(step: LivedStep) -> Step:
    """A step for the record."""
    message = Step(
        episode_id=step.episode_id,
        index=step.index,
        image_stamp=to_stamp(step.seen.image_stamp),
        state_stamp=to_stamp(step.seen.state_stamp),
        next_image_stamp=to_stamp(step.after.image_stamp),
        next_state_stamp=to_stamp(step.after.state_stamp),
        action=step.action,
        executed_by=int(step.executed_by),
        reward=step.reward,
        terminated=step.terminated,
        truncated=step.truncated,
    )
    if step.belief is not None:
        message.policy_mean = step.belief.mean.tolist()
        message.policy_log_std = step.belief.log_std.tolist()
        message.policy_version = step.belief.version
    message.header.stamp = message.next_state_stamp
    message.header.frame_id = BASE_FRAME
    return message


def transition_message(step: LivedStep, with_image: bool = False, run: str = "") -> Transition:
    """A step for the learner, with its images where the policy sees."""
    last = step.terminated or step.truncated
    message = Transition(
        run=run,
        episode_id=step.episode_id,
        index=step.index,
        observation=step.state.tolist(),
        action=step.action,
        gripper_changed=step.gripper_changed,
        executed_by=int(step.executed_by),
        reward=step.reward,
        terminated=step.terminated,
        truncated=step.truncated,
        next_observation=step.next_state.tolist() if last else [],
    )
    if with_image:
        # rclpy copies an array.array at once and anything else byte by byte.
        message.image_height, message.image_width, _ = step.seen.image.shape
        message.image = array.array("B", step.seen.image.tobytes())
        message.next_image = array.array("B", step.after.image.tobytes() if last else b"")
    message.header.stamp = to_stamp(step.after.state_stamp)
    return message


def stored_step(message: Transition) -> StoredStep:
    """A step as the buffer takes it; inverse of `transition_message`.

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
    )


def _image(message: Transition, pixels: array.array[int]) -> np.ndarray | None:
    if not pixels:
        return None
    size = (int(message.image_height), int(message.image_width), 3)
    if len(pixels) != np.prod(size, dtype=object):
        raise BadPicture(f"a picture of {size[1]}x{size[0]} has {len(pixels)} bytes")
    return np.frombuffer(pixels, np.uint8).reshape(size)


def health_message(health: Health, stamp: int) -> DiagnosticArray:
    """How a policy keeps up, for `/diagnostics`."""
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN, name="policy", message="no answer of the model yet"
    )
    latency = health.latency
    if latency is not None:
        late = latency.p95 > health.reach
        status.level = DiagnosticStatus.WARN if late else DiagnosticStatus.OK
        status.message = (
            f"the model takes longer than its chunks reach ({health.reach:.2f} s): the arm waits for it"
            if late
            else "the model keeps up"
        )
        status.values = [
            KeyValue(key="latency median [ms]", value=f"{1000 * latency.median:.1f}"),
            KeyValue(key="latency 95 % [ms]", value=f"{1000 * latency.p95:.1f}"),
            KeyValue(key="latency worst [ms]", value=f"{1000 * latency.worst:.1f}"),
            KeyValue(key="answers", value=str(latency.answers)),
        ]
    status.values = [*status.values, KeyValue(key="steps held", value=str(health.held))]
    message = DiagnosticArray(status=[status])
    message.header.stamp = to_stamp(stamp)
    return message
