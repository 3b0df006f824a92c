# SPDX-License-Identifier: Apache-2.0
"""Statistics of action and state, over both splits as Octo's and OpenVLA's loaders compute them.

The file carries a fingerprint of the records that it was made from: `load` computes it anew where the data changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import FormatError, read_json, typed
from rldg_core.space import Space
from rldg_distill.datasets.rlds import Dataset, NotADataset
from rldg_distill.datasets.tfrecord import checksums

STATISTICS = "dataset_statistics.json"


@dataclass(frozen=True)
class Quantity:
    """One number per dimension; what a student's normalisation needs of them it asks for itself."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    min: tuple[float, ...] = ()
    max: tuple[float, ...] = ()
    q01: tuple[float, ...] = ()
    q99: tuple[float, ...] = ()
    mask: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Statistics:
    """The content of the file."""

    fingerprint: str
    action: Quantity
    state: Quantity
    num_transitions: int
    num_trajectories: int


def fingerprint(dataset: Dataset) -> str:
    """sha256 over name, lengths and checksums of all records; reads the frames of the files only."""
    digest = hashlib.sha256()
    for shards in dataset.shards.values():
        for shard in shards:
            digest.update(json.dumps([shard.name, checksums(shard)]).encode())
    return digest.hexdigest()


def vector_statistics(values: np.ndarray, mask: list[bool]) -> dict[str, Any]:
    """mean, std, min, max, q01, q99 per dimension of (N, D) values, and the mask.

    Args:
        values: (N, D) float32; the numbers are computed in float64, one dimension at a time.
        mask: per dimension, whether it is to be normalised.
    """
    found: dict[str, Any] = {name: [] for name in ("mean", "std", "min", "max", "q01", "q99")}
    for dimension in values.T:
        column = dimension.astype(np.float64)
        q01, q99 = np.quantile(column, (0.01, 0.99))
        numbers = (column.mean(), column.std(), column.min(), column.max(), q01, q99)
        for name, number in zip(found, numbers, strict=True):
            found[name].append(float(number))
    return found | {"mask": mask}


def normalised(space: Space) -> list[bool]:
    """Which numbers of a space a student normalises: all but its switches."""
    return [True] * space.motions + [False] * space.switches


Motion = tuple[np.ndarray, np.ndarray]
"""actions (N, A) and states (N, S) of N steps: of an arm 104 bytes each, one hundredth of their images"""


def joined(parts: Iterable[Motion]) -> Motion:
    """One after another.

    Raises:
        ValueError: there are none.
    """
    action, state = zip(*parts, strict=True)
    return np.concatenate(action), np.concatenate(state)


def compute(dataset: Dataset, motion: Motion | None = None) -> dict[str, Any]:
    """The content of dataset_statistics.json.

    Args:
        dataset: whose fingerprint it carries.
        motion: all its steps; None reads them from its records.

    Raises:
        NotADataset: it has no episodes, or values that are no numbers.
    """
    if not sum(dataset.lengths.values()):
        raise NotADataset(f"{dataset.folder} has no episodes")
    action, state = motion or joined(
        (episode.action, episode.state)
        for split in dataset.shards
        for episode in dataset.episodes(split)
    )
    if not (np.isfinite(action).all() and np.isfinite(state).all()):
        raise NotADataset(
            f"{dataset.folder} has NaN or infinite actions or states: "
            "`dataset validate` names them; convert without those bags"
        )
    return {
        "fingerprint": fingerprint(dataset),
        # A switch is absolute and stays as it is; where it never moves, noise would be all that is left of it.
        "action": vector_statistics(action, normalised(dataset.spaces.action)),
        "state": vector_statistics(state, normalised(dataset.spaces.state)),
        "num_transitions": len(action),
        "num_trajectories": sum(dataset.lengths.values()),
    }


def write(dataset: Dataset, motion: Motion | None = None) -> dict[str, Any]:
    """Compute and write them; reads the dataset unless all its steps are given."""
    statistics = compute(dataset, motion)
    write_atomically(dataset.folder / STATISTICS, json.dumps(statistics, indent=2) + "\n")
    return statistics


def is_fresh(dataset: Dataset) -> bool:
    """Whether the file is there and belongs to the data."""
    return _fresh(dataset) is not None


def _fresh(dataset: Dataset) -> dict[str, Any] | None:
    """The file's content; None where it is missing, damaged or of other data."""
    path = dataset.folder / STATISTICS
    try:
        content = read_json(path, dict[str, Any])
        stored = typed(content, Statistics, str(path))
    except (FileNotFoundError, FormatError):
        return None
    return content if stored.fingerprint == fingerprint(dataset) else None


def load(path: Path) -> dict[str, Any]:
    """The statistics of a dataset, computed anew if they are missing, damaged or of other data."""
    dataset = Dataset(path)
    return _fresh(dataset) or write(dataset)
