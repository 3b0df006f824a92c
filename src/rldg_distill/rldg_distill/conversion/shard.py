# SPDX-License-Identifier: Apache-2.0
"""Writing one shard: the unit of work of a conversion, wherever it is done."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rldg_core.files.atomic_file import publish
from rldg_core.files.checked_file import FormatError, parse_json
from rldg_distill.conversion.plan import ConversionRecipe, Shard
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.datasets import rlds
from rldg_distill.datasets.episode import ACTION_DIM, STATE_DIM, BadBag
from rldg_distill.datasets.statistics import Motion, joined
from rldg_distill.datasets.tfrecord import write_record
from rldg_distill.recordings.bag_storage import damage_as_bad_bag


@dataclass
class ShardResult:
    """What became of the bags of a shard."""

    episodes: int = 0
    steps: int = 0
    size: int = 0
    """[bytes] of the file"""
    rejected: dict[str, str] = field(default_factory=dict)
    """reason by path"""
    remarks: dict[str, str] = field(default_factory=dict)
    """what of a converted bag was left out, by path"""


def write_shard(shard: Shard, recipe: ConversionRecipe, workplace: Workplace) -> Iterator[Path]:
    """Write it, and name every bag once it is dealt with. Memory holds one episode at a time.

    Raises:
        OSError: the disk is full, or the like.
    """
    outcome = ShardResult()
    motions = [(np.empty((0, ACTION_DIM), np.float32), np.empty((0, STATE_DIM), np.float32))]
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
    _write_outcome(workplace, shard, outcome, motion)


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
        record = rlds.to_example(episode)
    write_record(stream, record)
    return (episode.action, episode.state), episode.remarks


def _write_outcome(
    workplace: Workplace, shard: Shard, outcome: ShardResult, motion: Motion
) -> None:
    part = workplace.half_written(shard.name)
    with part.open("wb") as stream:
        about = np.array(json.dumps(asdict(outcome)))
        np.savez(stream, about=about, action=motion[0], state=motion[1])
    publish(part, workplace.outcome(shard.name))


def read_outcome(workplace: Workplace, shard: Shard) -> ShardResult | None:
    """The outcome of a finished shard; None if it is not finished, or was damaged since and is to be written anew."""
    try:
        outcome, _ = _read(workplace.outcome(shard.name))
        whole = (workplace.data / shard.name).stat().st_size == outcome.size
    except (FileNotFoundError, FormatError):
        return None
    return outcome if whole else None


def read_motion(workplace: Workplace, shard: Shard) -> Motion:
    """Actions (N, 7) and states (N, 19) of all steps of a finished shard.

    Raises:
        FormatError: they are damaged.
    """
    return _read(workplace.outcome(shard.name))[1]


def _read(path: Path) -> tuple[ShardResult, Motion]:
    try:
        with zipfile.ZipFile(path) as packed:
            # As it is written, nothing is compressed: what a file declares is then no more than it holds.
            if any(part.compress_type != zipfile.ZIP_STORED for part in packed.infolist()):
                raise ValueError("its parts are compressed")
        with np.load(path, allow_pickle=False) as content:
            outcome = parse_json(str(content["about"]), ShardResult, str(path))
            action, state = content["action"], content["state"]
        for name, array, size in (("action", action, ACTION_DIM), ("state", state, STATE_DIM)):
            if array.dtype != np.float32 or array.shape != (outcome.steps, size):
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
    except FileNotFoundError:
        raise
    except (
        *(zipfile.BadZipFile, OSError, EOFError, LookupError),
        *(ValueError, RuntimeError, MemoryError),
    ) as error:
        raise FormatError(f"{path} is damaged: {error}. Convert again with --overwrite") from error
    return outcome, (action, state)
