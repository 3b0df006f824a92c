# SPDX-License-Identifier: Apache-2.0
"""Videos of episodes at real speed: the scene from outside, beside what the wrist camera saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rldg_core.bags.bag_reader import images, messages_of, nearest
from rldg_core.contract import JOINT_STATES, STEP, TASK_STATE, WRIST_IMAGE
from rldg_core.files.video_file import video_writer
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_robot.simulation.film import Film

SIZE = 384
PAUSE_FRAMES = 8
STILL = 1e-3
"""[rad] of every joint: less than a pixel"""
MOVED = 1e-3
"""[m] of an object: less than a pixel, too"""
Shot = tuple[np.ndarray, Sequence[Pose], np.ndarray]
"""joint positions (9,), poses of what moves in the scene, and wrist image (H, W, 3) uint8 of a moment"""


@dataclass(frozen=True)
class EpisodeClip:
    """An episode to be shown."""

    task: str
    """family/variant"""
    shots: Iterable[Shot]


def bag_clip(task: str, bag: Path) -> EpisodeClip:
    """The episode of a bag."""
    return EpisodeClip(task, _shots(bag))


def write_video(path: Path, clips: Sequence[EpisodeClip]) -> None:
    """Film clips one after another; no clips, no file."""
    if not clips:
        return
    tasks = {clip.task for clip in clips}
    films = {task: Film(load_task(task), size=SIZE, shadows=False) for task in tasks}
    rate = load_task(clips[0].task).control_rate
    with video_writer(path, rate) as writer:
        for clip in clips:
            frame = None
            for frame in _frames(films[clip.task], clip.shots):
                writer.append_data(frame)
            for _ in range(PAUSE_FRAMES if frame is not None else 0):
                writer.append_data(frame)


def _shots(bag: Path) -> Iterator[Shot]:
    joints = {nanoseconds(m.header.stamp): m.position for m in messages_of(bag, JOINT_STATES)}
    objects = {nanoseconds(m.header.stamp): m.objects for m in messages_of(bag, TASK_STATE)}
    seen = images(bag, WRIST_IMAGE)
    steps = messages_of(bag, STEP)
    moments = [(nanoseconds(s.state_stamp), nanoseconds(s.image_stamp)) for s in steps]
    moments += [
        (nanoseconds(s.next_state_stamp), nanoseconds(s.next_image_stamp)) for s in steps[-1:]
    ]
    for state, image in moments:
        poses = [pose_of(pose) for pose in nearest(objects, state)]
        yield np.asarray(nearest(joints, state)), poses, nearest(seen, image)


def _frames(film: Film, shots: Iterable[Shot]) -> Iterator[np.ndarray]:
    posed, placed = np.full(9, np.inf), np.zeros(0)
    for joints, objects, image in shots:
        places = np.array([pose.position for pose in objects]).ravel()
        moved = np.abs(joints - posed).max() > STILL
        moved = moved or np.abs(places - placed).max(initial=0.0) > MOVED
        if moved:  # who is stuck need not be drawn again and again
            scene, posed, placed = film.frame(joints, objects), joints, places
        yield np.hstack([scene, _enlarge(image, SIZE)])


def _enlarge(image: np.ndarray, size: int) -> np.ndarray:
    rows = np.arange(size) * image.shape[0] // size
    columns = np.arange(size) * image.shape[1] // size
    return image[rows][:, columns]
