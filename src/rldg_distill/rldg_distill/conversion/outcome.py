# SPDX-License-Identifier: Apache-2.0
"""What became of the bags of a shard, kept beside it: a shard is finished once this is there."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from rldg_core.files.atomic_file import publish
from rldg_core.files.checked_file import FormatError, parse_json
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.datasets.statistics import Motion


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


def write_outcome(workplace: Workplace, shard: str, outcome: ShardResult, motion: Motion) -> None:
    """Keep the outcome of a finished shard beside it.

    Raises:
        OSError: the disk is full, or the like.
    """
    part = workplace.half_written(shard)
    with part.open("wb") as stream:
        about = np.array(json.dumps(asdict(outcome)))
        np.savez(stream, about=about, action=motion[0], state=motion[1])
    publish(part, workplace.outcome(shard))


def read_outcome(workplace: Workplace, shard: str) -> ShardResult | None:
    """The outcome of a finished shard; None if it is not finished, or was damaged since and is to be written anew."""
    try:
        outcome, _ = _read(workplace.outcome(shard))
        whole = (workplace.data / shard).stat().st_size == outcome.size
    except (FileNotFoundError, FormatError):
        return None
    return outcome if whole else None


def read_motion(workplace: Workplace, shard: str) -> Motion:
    """Actions (N, A) and states (N, S) of all steps of a finished shard.

    Raises:
        FormatError: they are damaged.
    """
    return _read(workplace.outcome(shard))[1]


def _read(path: Path) -> tuple[ShardResult, Motion]:
    try:
        with zipfile.ZipFile(path) as packed:
            # As it is written, nothing is compressed: what a file declares is then no more than it holds.
            if any(part.compress_type != zipfile.ZIP_STORED for part in packed.infolist()):
                raise ValueError("its parts are compressed")
        with np.load(path, allow_pickle=False) as content:
            outcome = parse_json(str(content["about"]), ShardResult, str(path))
            action, state = content["action"], content["state"]
        for name, array in (("action", action), ("state", state)):
            if array.dtype != np.float32 or array.ndim != 2 or len(array) != outcome.steps:
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
    except FileNotFoundError:
        raise
    except (
        *(zipfile.BadZipFile, OSError, EOFError, LookupError),
        *(ValueError, RuntimeError, MemoryError),
    ) as error:
        raise FormatError(f"{path} is damaged: {error}. Convert again with --overwrite") from error
    return outcome, (action, state)
