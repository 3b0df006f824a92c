# SPDX-License-Identifier: Apache-2.0
"""A bag of the robot contract as an episode: images and states found by the stamps that the steps name.

The file is read once from front to back. An image is encoded as soon as its step is known and then forgotten: memory
holds the frames between two steps and, of an episode of many megabytes, none of those that are encoded.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.bags.bag_reader import custom_data, decode, is_complete, raw_messages, typestore
from rldg_core.bags.mcap_file import Account
from rldg_core.contract import (
    CONTRACT_VERSION,
    CURRENT_POSE,
    CURRENT_TWIST,
    EPISODE,
    EXTERNAL_WRENCH,
    GRIPPER_STATE,
    STEP,
    WRIST_IMAGE,
    Topic,
)
from rldg_core.files.picture import BadPicture
from rldg_core.gripper_command import command_after, command_at_start
from rldg_core.message_values import SECOND, nanoseconds, pose_of, stamp_of, twist_of, wrench_of
from rldg_core.proprioception import PROPRIOCEPTION, proprioception
from rldg_core.task import UnknownTask, load_task
from rldg_core.vocabulary import EpisodeStatus
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.episode import (
    NO_TEACHER,
    BadBag,
    Episode,
    EpisodeMetadata,
    arm_scale,
    dataset_action,
    padded,
)
from rldg_distill.datasets.image_codec import IMAGE_TYPES, ImageFormat
from rldg_distill.recordings.bag_storage import shortened_list
from rldg_distill.recordings.camera_names import POLICY_CAMERA, way_out
from rldg_distill.recordings.identity import bag_name
from rldg_distill.recordings.own.state_stream import StateStream
from rldg_distill.recordings.spool import Span, Spool, Spooled
from rldg_distill.recordings.staleness import MAX_AGE

STATE_TOPICS = {t.name: t for t in (CURRENT_POSE, CURRENT_TWIST, EXTERNAL_WRENCH, GRIPPER_STATE)}
WIDTH = PROPRIOCEPTION.index("gripper_width [m]")


def check_closed(path: Path) -> None:
    """Whether the bag was closed, under today's contract.

    Raises:
        BadBag: it was not.
    """
    if not is_complete(path):
        raise BadBag(
            "was never closed: its recorder was killed. Start its run again, which repairs it; "
            "`ros2 bag reindex` repairs a bag of `ros2 bag record`"
        )
    try:
        version = custom_data(path).get("contract_version")
    except ValueError as error:
        raise BadBag(str(error)) from error
    if version != CONTRACT_VERSION:
        raise BadBag(f"has contract version {version}, this code reads {CONTRACT_VERSION}")


class Camera:
    """The frames of one topic, kept until the step that they belong to is known."""

    def __init__(self, topic: str, kind: str, image_format: ImageFormat, exact: bool) -> None:
        """Start empty; `exact` wants a frame of the very stamp, else the latest before it counts."""
        self.topic = topic
        self._kind = kind
        self.shape: tuple[int, ...] | None = None
        self._encoded: dict[int, Span] = {}
        self._spool = Spool()
        self._format = image_format
        self._exact = exact
        self._way_out = way_out(POLICY_CAMERA if exact else topic)
        self._frames: dict[int, bytes] = {}
        self._awaited: set[int] = set()

    def add(self, cdr: bytes) -> None:
        """A frame arrived."""
        stamp = stamp_of(cdr)
        if stamp in self._awaited:
            self._awaited.remove(stamp)
            self._encode(stamp, cdr)
        else:
            self._frames[stamp] = cdr

    def want(self, stamp: int) -> None:
        """A step names a stamp; frames before it are not needed any more."""
        found = stamp
        if not self._exact:
            found = max((s for s in self._frames if s <= stamp), default=stamp)
        if found in self._frames:
            self._encode(stamp, self._frames[found])
        else:
            self._awaited.add(stamp)
        self._frames = {s: cdr for s, cdr in self._frames.items() if s >= found}

    def images(self, stamps: list[int]) -> Spooled:
        """The encoded image of every stamp.

        Raises:
            BadBag: a stamp without an image.
        """
        for index, stamp in enumerate(stamps):
            if stamp not in self._encoded:
                raise BadBag(
                    f"step {index} names the image stamp {stamp}, which no message of {self.topic} has"
                )
        return Spooled(self._spool, [self._encoded[stamp] for stamp in stamps])

    def _encode(self, stamp: int, cdr: bytes) -> None:
        try:
            message = typestore().deserialize_cdr(cdr, self._kind)
            image = image_codec.stored(message, self._format)
        except BadPicture as error:
            raise BadBag(f"{self.topic}: {error}{self._way_out}") from error
        shape = image_codec.shape(image)
        if self.shape not in (None, shape):
            raise BadBag(
                f"{self.topic} changes its size from {self.shape} to {shape}{self._way_out}"
            )
        self.shape = shape
        self._encoded[stamp] = self._spool.add(image)


def read_episode(path: Path, image_format: ImageFormat, cameras: dict[str, str]) -> Episode:
    """An episode of a bag that a recorder of this project wrote.

    Args:
        path: the bag's folder.
        image_format: of the images.
        cameras: feature by image topic; empty: an episode without images.

    Raises:
        BadBag: it cannot be converted.
    """
    check_closed(path)
    topics = {*cameras, *STATE_TOPICS, STEP.name, EPISODE.name}
    streams = {name: StateStream() for name in STATE_TOPICS}
    found: dict[str, Camera] = {}
    steps: list[Any] = []
    episodes: list[Any] = []
    account = Account()
    try:
        for topic, kind, _, cdr in raw_messages(path, topics, account):
            if topic in cameras and kind in IMAGE_TYPES:
                if topic not in found:
                    exact = topic == WRIST_IMAGE.name
                    found[topic] = Camera(topic, kind, image_format, exact)
                    for step in steps:
                        found[topic].want(nanoseconds(step.image_stamp))
                found[topic].add(cdr)
            elif topic in STATE_TOPICS:
                streams[topic].add(cdr)
            elif topic == STEP.name:
                step = decode(STEP, cdr)
                if step.episode_id == path.name:
                    steps.append(step)
                    for camera in found.values():
                        camera.want(nanoseconds(step.image_stamp))
                    for stream in streams.values():
                        stream.want(nanoseconds(step.state_stamp))
            elif topic == EPISODE.name:
                message = decode(EPISODE, cdr)
                if message.episode_id == path.name:
                    episodes.append(message)
    except FileNotFoundError as error:
        raise BadBag("holds no .mcap file") from error
    _check(path, episodes, steps, streams)
    if account.damage:
        raise BadBag(f"is damaged: {shortened_list(account.damage)}")
    missing = {WRIST_IMAGE.name, *cameras} - set(found) if cameras else set()
    if missing:
        rest = way_out(POLICY_CAMERA if WRIST_IMAGE.name in missing else "")
        raise BadBag(f"has no message of {', '.join(sorted(missing))}{rest}")
    image_stamps = [nanoseconds(step.image_stamp) for step in steps]
    images = {cameras[topic]: found[topic].images(image_stamps) for topic in sorted(found)}
    return _episode(path, episodes[-1], steps, streams, images)


def _check(
    path: Path, episodes: list[Any], steps: list[Any], streams: dict[str, StateStream]
) -> None:
    """That the bag holds one whole episode."""
    if not episodes:
        raise BadBag(
            f"has no message of {EPISODE.name} with the id {path.name}: empty, cut off or renamed"
        )
    if int(episodes[-1].status) == EpisodeStatus.OPEN.number:
        raise BadBag(
            f"ends after {len(steps)} steps without the message that closes its episode: cut off"
        )
    if not steps:
        raise BadBag("has no steps")
    indices = [int(step.index) for step in steps]
    if indices != list(range(len(steps))) or int(episodes[-1].steps) != len(steps):
        raise BadBag(
            f"has {len(steps)} steps of {int(episodes[-1].steps)}, or not in order: {_gap(indices)}"
        )
    for name, stream in streams.items():
        if not stream:
            raise BadBag(f"has no message of {name}")
    for step in steps:
        stamp = nanoseconds(step.state_stamp)
        if stamp_of(streams[CURRENT_POSE.name].message(stamp)) != stamp:
            raise BadBag(
                f"step {int(step.index)} names the state stamp {stamp}, which no message of {CURRENT_POSE.name} has"
            )
        for name, stream in streams.items():
            apart = abs(stamp_of(stream.message(stamp)) - stamp)
            if apart > MAX_AGE:
                raise BadBag(
                    f"step {int(step.index)}: the nearest message of {name} is {apart / SECOND:.2f} s away, more than "
                    f"{MAX_AGE / SECOND} s"
                )


def _gap(indices: list[int]) -> str:
    for expected, index in enumerate(indices):
        if index != expected:
            return f"step {index} where {expected} belongs"
    return f"the last is step {indices[-1]}"


def _episode(
    path: Path,
    closing: Any,
    steps: list[Any],
    streams: dict[str, StateStream],
    images: dict[str, Spooled],
) -> Episode:
    try:
        task = load_task(f"{closing.task}/{closing.variant}")
    except UnknownTask as error:
        raise BadBag(str(error)) from error
    scale = task.action_scale
    state_stamps = [nanoseconds(step.state_stamp) for step in steps]
    states = _states(streams, state_stamps)
    terminal = np.array([bool(step.terminated) for step in steps])
    count = np.arange(len(steps))
    with_teacher = [len(step.policy_mean) > 0 for step in steps]
    return Episode(
        metadata=EpisodeMetadata(
            task=closing.task,
            variant=closing.variant,
            source=closing.source,
            seed=int(closing.seed),
            success=int(closing.status) == EpisodeStatus.SUCCESS.number,
            embodiment=closing.embodiment,
            region=closing.region,
            domain=closing.domain,
            bag=bag_name(path),
            scale=arm_scale(scale.translation, scale.rotation),
        ),
        images=images,
        state=states,
        action=dataset_action(_absolute(steps, float(states[0, WIDTH])), scale),
        instruction=[closing.instruction] * len(steps),
        reward=np.array([step.reward for step in steps], np.float32),
        discount=1.0 - terminal.astype(np.float32),
        is_first=count == 0,
        is_last=count == len(steps) - 1,
        is_terminal=terminal,
        executed_by=np.array([int(step.executed_by) for step in steps], np.int64),
        teacher_mean=padded([step.policy_mean for step in steps], len(ARM.action)),
        teacher_log_std=padded([step.policy_log_std for step in steps], len(ARM.action)),
        teacher_version=np.where(
            with_teacher, [int(step.policy_version) for step in steps], NO_TEACHER
        ).astype(np.int64),
        image_stamp=np.array(
            [nanoseconds(step.image_stamp) for step in steps] if images else state_stamps, np.int64
        ),
        state_stamp=np.array(state_stamps, np.int64),
    )


def _absolute(steps: list[Any], width: float) -> np.ndarray:
    """(T, 7) the actions with what the gripper is asked for at every step, where they may also leave it as it is.

    `width` [m] of the gripper as the first step saw it.
    """
    actions = np.array([step.action for step in steps])
    commands = accumulate(actions[:, 6], command_after, initial=command_at_start(width))
    actions[:, 6] = list(commands)[1:]
    return actions


def _states(streams: dict[str, StateStream], stamps: list[int]) -> np.ndarray:
    """(T, 19) float32. The pose has the stamp; streams of a real robot that carry their own give their nearest."""

    def found(topic: Topic, stamp: int) -> Any:
        return decode(topic, streams[topic.name].message(stamp))

    poses = [pose_of(found(CURRENT_POSE, stamp).pose) for stamp in stamps]
    rows = []
    for pose, stamp in zip(poses, stamps, strict=True):
        rows.append(
            proprioception(
                pose,
                twist_of(found(CURRENT_TWIST, stamp).twist),
                wrench_of(found(EXTERNAL_WRENCH, stamp).wrench),
                float(found(GRIPPER_STATE, stamp).width),
                poses[0],
            )
        )
    with np.errstate(over="ignore"):  # what is no float32 becomes infinite, and is reported
        return np.array(rows).astype(np.float32)
