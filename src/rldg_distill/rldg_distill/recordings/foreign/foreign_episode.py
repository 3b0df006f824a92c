# SPDX-License-Identifier: Apache-2.0
"""A bag made elsewhere as an episode: resampled at the control rate, its actions from what was commanded.

The bag is read twice: for stamps and small messages, then for the images that the ticks chose. Memory holds the small
messages and, of an episode of many megabytes, none of its images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.bags.bag_reader import typestore
from rldg_core.contract import (
    CURRENT_POSE,
    CURRENT_TWIST,
    EXTERNAL_WRENCH,
    SPACENAV_JOY,
    WRIST_IMAGE,
)
from rldg_core.files.picture import BadPicture
from rldg_core.gripper_command import OPEN, command_at_start
from rldg_core.message_values import SECOND, pose_of, twist_of, wrench_of
from rldg_core.poses import Pose
from rldg_core.proprioception import proprioception
from rldg_core.task import Task, load_task
from rldg_core.twist_action import action_from_twist
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.episode import (
    NO_TEACHER,
    BadBag,
    Episode,
    EpisodeMetadata,
    arm_scale,
    dataset_action,
)
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.recordings.bag_storage import messages
from rldg_distill.recordings.camera_names import POLICY_CAMERA, way_out
from rldg_distill.recordings.foreign.finger_motion import commands, may_hold
from rldg_distill.recordings.foreign.foreign_bag import (
    CUT,
    MOTION,
    NEEDED,
    ForeignBag,
    StatedFacts,
    find_foreign,
    width_wanted,
)
from rldg_distill.recordings.foreign.frames import check_frames
from rldg_distill.recordings.foreign.gripper_width import check_asked, check_talk, widths
from rldg_distill.recordings.foreign.resampling import (
    MessageStream,
    check_clocks,
    common_ticks,
    read_streams,
    without_jumps,
)
from rldg_distill.recordings.foreign.view import PictureConversion
from rldg_distill.recordings.identity import bag_name
from rldg_distill.recordings.spool import Span, Spool, Spooled
from rldg_distill.recordings.staleness import MAX_AGE

FARTHEST = 5.0
"""[m] of a measured position from its frame's origin, along an axis"""
PUSHED = 2.0
"""of a SpaceMouse's full deflection: some give a little more than 1, and what is more than this is no share of it"""


def read_foreign(
    path: Path,
    image_format: ImageFormat,
    cameras: dict[str, str],
    stated: StatedFacts,
    view: PictureConversion | None = None,
) -> Episode:
    """The episode of a bag made elsewhere; arguments are those of a `ConversionRecipe`.

    Raises:
        BadBag: it cannot be an episode; the message says why.
    """
    recording = find_foreign(path, stated)
    task = load_task(recording.task)
    if recording.width is None and task.gripper != "closed":
        raise BadBag(
            f"does not record the gripper's width, and {task.id} opens and closes it: {width_wanted(path, stated)}"
        )
    pictures = {recording.topics.get(topic, topic): name for topic, name in cameras.items()}
    wanted = {*recording.topics.values(), *pictures}
    streams = read_streams(path, wanted, pictures, recording.stated.clock, recording.joints)
    streams = without_jumps(streams, recording.stated.clock_jump == CUT)
    moments = _moments(recording, task, streams)
    images = _images(path, streams, pictures, moments.steps, image_format, view)
    episode = _episode(recording, task, bag_name(path), moments, images)
    remarks = chain.from_iterable(stream.remarks for stream in streams.values())
    cut = chain(_late(recording, streams), _early(recording, moments))
    return replace(episode, remarks=(*remarks, *cut))


def _late(recording: ForeignBag, streams: Mapping[str, MessageStream]) -> Iterator[str]:
    """Why a bag's beginning is in no step."""
    asked = recording.topics.get(recording.asked or "")
    steady = [stream for topic, stream in streams.items() if topic != asked]
    first, last = (pick(steady, key=lambda stream: stream.first) for pick in (min, max))
    late = last.first - max(first.first, recording.span[0])
    if late > MAX_AGE:
        yield f"begins {late / SECOND:.2f} s later than its first message, where {last.topic} begins"


def _early(recording: ForeignBag, moments: ResampledSteps) -> Iterator[str]:
    """Why a bag's end is in no step: who commands let go, or the node that did died.

    Raises:
        BadBag: so is the greater part of it, as where a target is published once and then pursued.
    """
    if recording.stated.action == MOTION:
        return
    command = moments.parts[recording.stated.action]
    left = min(moments.parts[part.name].last for part in NEEDED)
    left = min(left, recording.span[1]) - int(moments.ticks[-1])
    steps = len(moments.steps)
    if left > MAX_AGE:
        end = f"{left / SECOND:.2f} s earlier than its last message, where {command.topic} ends"
        if left > moments.ticks[-1] - moments.ticks[0]:
            raise BadBag(
                f"would end {end}, after {steps} step(s): a target that is published once is not the action of "
                f"every step. Take what was done: --recorded action={MOTION}"
            )
        yield f"ends {end}"


@dataclass(frozen=True)
class ResampledSteps:
    """What was measured and commanded at every step."""

    ticks: np.ndarray
    """(T+1,) int64 [ns]: T steps, and what closes the last"""
    parts: dict[str, MessageStream]
    """by the contract's names"""
    poses: list[Pose]
    """T+1"""
    widths: np.ndarray
    """(T+1,) [m] between the fingers, 0 where it was not recorded"""

    @property
    def steps(self) -> np.ndarray:
        """(T,) int64 [ns]."""
        return self.ticks[:-1]


def _moments(
    recording: ForeignBag, task: Task, streams: dict[str, MessageStream]
) -> ResampledSteps:
    parts = {name: streams[topic] for name, topic in recording.topics.items()}
    pose = parts[CURRENT_POSE.name]
    check_frames(parts)
    commands = [parts[recording.stated.action]] if recording.stated.action != MOTION else []
    gripper = [parts[recording.width]] if recording.width else []
    asked = [parts[recording.asked]] if recording.asked else []
    measured = [s for s in streams.values() if s not in (*commands, *gripper, *asked)]
    # A command for the gripper comes now and then, or once, before the bag began: it tells nothing of its clock.
    check_clocks([s for s in streams.values() if s not in asked], pose)
    ticks = common_ticks(
        measured, commands, gripper, recording.span, round(SECOND / task.control_rate)
    )
    for stream in measured:
        stream.check_ages(ticks)
    for stream in commands:
        stream.check_ages(ticks[:-1])
    for stream in gripper:
        check_talk(stream, ticks, recording.joints)
    poses = _poses(pose, ticks)
    far = [float(np.abs(found.position).max()) for found in poses]
    if max(far) > FARTHEST:
        raise BadBag(
            f"step {int(np.argmax(far))}: {pose.topic} is {max(far):.4g} m from its frame's origin, more than "
            f"{FARTHEST:.0f} m: millimetres or centimetres? Record the TCP in the arm's base, in m"
        )
    return ResampledSteps(ticks, parts, poses, _widths(recording, gripper, ticks))


def _poses(stream: MessageStream, ticks: np.ndarray) -> list[Pose]:
    """T poses of a stream."""
    poses = [pose_of(message.pose) for message in stream.messages(ticks)]
    for index, found in enumerate(poses):
        if not found.is_finite():
            raise BadBag(f"step {index}: {stream.topic} is no pose: {_numbers(found)}")
    return poses


def _widths(recording: ForeignBag, gripper: list[MessageStream], ticks: np.ndarray) -> np.ndarray:
    if not gripper:
        return np.zeros(len(ticks))
    found = gripper[0].messages(ticks)
    return widths(gripper[0].topic, found, recording.joints, recording.gripper_range)


def _episode(
    recording: ForeignBag,
    task: Task,
    bag: str,
    moments: ResampledSteps,
    images: Mapping[str, Sequence[bytes]],
) -> Episode:
    steps = moments.steps
    success = recording.status == EpisodeStatus.SUCCESS
    is_last = np.arange(len(steps)) == len(steps) - 1
    solved = is_last & success
    return Episode(
        metadata=EpisodeMetadata(
            task=task.family,
            variant=task.variant,
            source=recording.source,
            seed=recording.seed,
            success=success,
            embodiment=recording.stated.embodiment,
            region=recording.stated.region,
            domain=recording.stated.domain,
            bag=bag,
            scale=arm_scale(task.action_scale.translation, task.action_scale.rotation),
        ),
        images=images,
        state=_states(moments),
        action=_actions(recording, task, moments),
        instruction=[recording.instruction] * len(steps),
        reward=solved.astype(np.float32),
        discount=1.0 - solved.astype(np.float32),
        is_first=np.arange(len(steps)) == 0,
        is_last=is_last,
        is_terminal=solved,
        executed_by=np.full(len(steps), ExecutedBy.DEMONSTRATION, np.int64),
        teacher_mean=np.zeros((len(steps), len(ARM.action)), np.float32),
        teacher_log_std=np.zeros((len(steps), len(ARM.action)), np.float32),
        teacher_version=np.full(len(steps), NO_TEACHER, np.int64),
        image_stamp=moments.parts[(WRIST_IMAGE if images else CURRENT_POSE).name].stamps(steps),
        state_stamp=moments.parts[CURRENT_POSE.name].stamps(steps),
    )


def _states(moments: ResampledSteps) -> np.ndarray:
    """(T, 19) float32; zero where it was not recorded."""
    twists = wrenches = np.zeros((len(moments.steps), 6))
    if stream := moments.parts.get(CURRENT_TWIST.name):
        found = [message.twist for message in stream.messages(moments.steps)]
        twists = np.array([twist_of(m) for m in found])
    if stream := moments.parts.get(EXTERNAL_WRENCH.name):
        found = [message.wrench for message in stream.messages(moments.steps)]
        wrenches = np.array([wrench_of(m) for m in found])
    rows = [
        proprioception(pose, twist, wrench, float(width), moments.poses[0])
        for pose, twist, wrench, width in zip(
            moments.poses[:-1], twists, wrenches, moments.widths[:-1], strict=True
        )
    ]
    with np.errstate(over="ignore"):  # what is no float32 becomes infinite, and is reported
        return np.array(rows).astype(np.float32)


def _actions(recording: ForeignBag, task: Task, moments: ResampledSteps) -> np.ndarray:
    """(T, 7) float32: what was commanded; where that was not recorded, what was done."""
    opened = _opened(recording, task, moments)
    poses = moments.poses[:-1]
    if recording.stated.action == SPACENAV_JOY.name:
        stream = moments.parts[SPACENAV_JOY.name]
        rows = [
            action_from_twist(_deflection(stream.topic, message.axes), pose.quaternion)
            for message, pose in zip(stream.messages(moments.steps), poses, strict=True)
        ]
        return dataset_action(np.column_stack([rows, 2.0 * opened - 1.0]), task.action_scale)
    goals = moments.poses[1:]
    if recording.stated.action != MOTION:
        stream = moments.parts[recording.stated.action]
        goals = _poses(stream, moments.steps)
    motions = [goal.relative_to(pose) for goal, pose in zip(goals, poses, strict=True)]
    rows = [np.concatenate([motion.position, motion.rotvec]) for motion in motions]
    return np.column_stack([rows, opened]).astype(np.float32)


def _deflection(topic: str, axes: np.ndarray) -> np.ndarray:
    if len(axes) < 6:
        raise BadBag(
            f"{topic} has {len(axes)} axes, a SpaceMouse six. Take what was done: --recorded action={MOTION}"
        )
    push = np.asarray(axes[:6], np.float64)
    far = ~(np.abs(push) <= PUSHED)
    if far.any():
        raise BadBag(
            f"{topic} has an axis of {push[far][0]:.4g}, and those of a SpaceMouse lie in [-1, 1]: "
            f"raw counts? Divide them by its full deflection, or take what was done: --recorded action={MOTION}"
        )
    return push


def _opened(recording: ForeignBag, task: Task, moments: ResampledSteps) -> np.ndarray:
    """(T,) 1.0 where the gripper is asked to be open, else 0.0."""
    steps = moments.steps
    if task.gripper == "closed":
        return np.zeros(len(steps))
    found = commands(moments.widths)[:-1]
    if recording.asked:
        stream = moments.parts[recording.asked]
        spoken = np.flatnonzero(steps >= stream.first)
        asked = np.array([float(m.width) for m in stream.messages(steps[spoken])])
        check_asked(stream.topic, asked)
        wanted = np.array([command_at_start(width) for width in asked])
        # What was asked for before the first step may be of another episode, behind which a reset opened the fingers.
        early = stream.stamps(steps[spoken]) < steps[0]
        believed = ~early | [may_hold(command, moments.widths[0]) for command in wanted]
        found[spoken[believed]] = wanted[believed]
    return (found == OPEN).astype(np.float64)


def _images(
    path: Path,
    streams: dict[str, MessageStream],
    pictures: dict[str, str],
    steps: np.ndarray,
    image_format: ImageFormat,
    view: PictureConversion | None,
) -> dict[str, Spooled]:
    """The second pass."""
    chosen = {topic: streams[topic].placed(steps).tolist() for topic in pictures}
    wanted = {topic: set(numbers) for topic, numbers in chosen.items()}
    spools = {topic: Spool() for topic in pictures}
    spans: dict[str, dict[int, Span]] = {topic: {} for topic in pictures}
    sizes: dict[str, set[tuple[int, int]]] = {topic: set() for topic in pictures}
    number = dict.fromkeys(pictures, -1)
    for topic, _, cdr in messages(path, pictures):
        number[topic] += 1
        if number[topic] in wanted[topic]:
            try:
                message = typestore().deserialize_cdr(cdr, streams[topic].type)
                size = image_codec.size_of(message)
                seen = view.of(*size) if view and pictures[topic] == POLICY_CAMERA else None
                image = image_codec.stored(message, image_format, seen)
            except BadPicture as error:
                raise BadBag(f"{topic}: {error}{way_out(pictures[topic])}") from error
            sizes[topic].add(size)
            spans[topic][number[topic]] = spools[topic].add(image)
    for topic, found in sizes.items():
        if len(found) > 1:
            both = " and ".join(f"{width}x{height}" for height, width in sorted(found))
            raise BadBag(f"{topic} changes its size: {both}{way_out(pictures[topic])}")
    return {
        name: Spooled(spools[topic], [spans[topic][n] for n in chosen[topic]])
        for topic, name in pictures.items()
    }


def _numbers(pose: Pose) -> str:
    position, quaternion = (
        ", ".join(f"{value:.4g}" for value in part) for part in (pose.position, pose.quaternion)
    )
    return f"position {position}; quaternion {quaternion}"
