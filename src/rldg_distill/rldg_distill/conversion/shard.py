# SPDX-License-Identifier: Apache-2.0
"""Writing one shard, the unit of work of a conversion, wherever it is done: bags by one recipe into one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.files.atomic_file import publish
from rldg_core.message_values import SECOND
from rldg_core.space import Spaces
from rldg_core.task import load_task
from rldg_distill.conversion.outcome import ShardResult, write_outcome
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.metadata_leaves import leaves
from rldg_distill.datasets.plausibility import implausible
from rldg_distill.datasets.statistics import Motion, joined
from rldg_distill.datasets.tfrecord import Serialised, Values, encode_example, write_record
from rldg_distill.recordings.bag_storage import damage_as_bad_bag
from rldg_distill.recordings.camera_names import way_out
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts, is_foreign
from rldg_distill.recordings.foreign.foreign_episode import read_foreign
from rldg_distill.recordings.foreign.view import PictureConversion
from rldg_distill.recordings.own.own_episode import read_episode


@dataclass(frozen=True)
class Shard:
    """One file of the dataset."""

    name: str
    split: str
    bags: tuple[Path, ...]


@dataclass(frozen=True)
class ConversionRecipe:
    """How every bag becomes an episode, whoever recorded it."""

    image_format: ImageFormat
    cameras: dict[str, str]
    """feature by topic"""
    stated: StatedFacts
    """about bags made elsewhere"""
    view: PictureConversion | None = None
    """of their policy camera; None: its pictures stay as they are"""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """(H, W, 3) by feature, where all bags have to agree"""
    names: dict[str, str] = field(default_factory=dict)
    """by path, of bags that share theirs with another recording"""

    @damage_as_bad_bag()
    def read(self, bag: Path) -> Episode:
        """The episode of a bag.

        Raises:
            BadBag: it cannot be converted.
        """
        if is_foreign(bag):
            episode = read_foreign(bag, self.image_format, self.cameras, self.stated, self.view)
        else:
            episode = read_episode(bag, self.image_format, self.cameras)
        period = SECOND / load_task(episode.metadata.task_id).control_rate
        for what in implausible(episode, period):
            raise BadBag(what)
        for camera, shape in image_shapes(episode).items():
            wanted = self.shapes.get(camera, shape)
            if shape != wanted:
                raise BadBag(
                    f"images of {camera} are {shape}, those of others {wanted}{way_out(camera)}"
                )
        name = self.names.get(str(bag), episode.metadata.bag)
        return replace(episode, metadata=replace(episode.metadata, bag=name))


def image_shapes(episode: Episode) -> dict[str, tuple[int, ...]]:
    """(H, W, 3) of every camera."""
    return {camera: image_codec.shape(images[0]) for camera, images in episode.images.items()}


def write_shard(shard: Shard, recipe: ConversionRecipe, workplace: Workplace) -> Iterator[Path]:
    """Write it, and name every bag once it is dealt with. Memory holds one episode at a time.

    Raises:
        OSError: the disk is full, or the like.
    """
    outcome = ShardResult()
    motions = [_no_motion(ARM)]
    part = workplace.half_written(shard.name)
    with part.open("wb") as stream:
        for bag in shard.bags:
            try:
                motion, remarks = _convert(bag, recipe, stream)
                motions.append(motion)
                outcome.episodes += 1
                if remarks:
                    outcome.remarks[str(bag)] = "; ".join(remarks)
            except BadBag as error:
                outcome.rejected[str(bag)] = str(error)
            yield bag
        outcome.size = stream.tell()
    publish(part, workplace.data / shard.name)
    motion = joined(motions)
    outcome.steps = len(motion[0])
    write_outcome(workplace, shard.name, outcome, motion)


def _no_motion(spaces: Spaces) -> Motion:
    """Of no steps."""
    sizes = len(spaces.action), len(spaces.state)
    return np.empty((0, sizes[0]), np.float32), np.empty((0, sizes[1]), np.float32)


def _convert(
    bag: Path, recipe: ConversionRecipe, stream: BinaryIO
) -> tuple[Motion, tuple[str, ...]]:
    """Append a bag's episode to a file; returns its motion, and remarks.

    Raises:
        BadBag: it cannot be converted, and nothing was appended.
        OSError: the disk is full, or the like.
    """
    with damage_as_bad_bag():
        episode = recipe.read(bag)
        record = to_example(episode)
    write_record(stream, record)
    return (episode.action, episode.state), episode.remarks


def to_example(episode: Episode) -> Serialised:
    """An episode as a serialised tf.train.Example; inverse of `rlds.from_example`."""
    values: dict[str, Values] = {
        f"steps/observation/{name}": images for name, images in episode.images.items()
    }
    for path, array in {
        "observation/state": episode.state,
        "action": episode.action,
        "reward": episode.reward,
        "discount": episode.discount,
        "teacher/mean": episode.teacher_mean,
        "teacher/log_std": episode.teacher_log_std,
    }.items():
        values[f"steps/{path}"] = array.astype(np.float32, copy=False).ravel()
    for path, array in {
        "is_first": episode.is_first,
        "is_last": episode.is_last,
        "is_terminal": episode.is_terminal,
        "teacher/version": episode.teacher_version,
        "executed_by": episode.executed_by,
        "stamp/image": episode.image_stamp,
        "stamp/state": episode.state_stamp,
    }.items():
        values[f"steps/{path}"] = array.astype(np.int64)
    values["steps/language_instruction"] = [text.encode() for text in episode.instruction]
    for name, value in leaves(episode.metadata, episode.spaces.action).items():
        path = f"episode_metadata/{name}"
        if isinstance(value, str):
            values[path] = [value.encode()]
        elif isinstance(value, (float, tuple)):
            values[path] = np.array(value, np.float32).ravel()
        else:  # an Example knows no unsigned numbers: a reader turns int64 back into uint64
            values[path] = np.array([int(value)], np.uint64).astype(np.int64)
    return encode_example(values)
