# SPDX-License-Identifier: Apache-2.0
"""Statistics of action and state, over both splits as Octo's and OpenVLA's loaders compute them.

The file carries a fingerprint of the records that it was made from: `load` computes it anew where the data changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rldg_distill.rlds import Dataset
from rldg_distill.tfrecord import checksums

STATISTICS = "dataset_statistics.json"


def fingerprint(dataset: Dataset) -> str:
    """sha256 over name, lengths and checksums of all records; reads the frames of the files only."""
    digest = hashlib.sha256()
    for shards in dataset.shards.values():
        for shard in shards:
            digest.update(json.dumps([shard.name, checksums(shard)]).encode())
    return digest.hexdigest()


def describe(values: np.ndarray, mask: list[bool]) -> dict[str, Any]:
    """mean, std, min, max, q01, q99 per dimension of (N, D) values, and the mask.

    Args:
        values: (N, D) float32; the numbers are computed in float64.
        mask: per dimension, whether it is to be normalised.
    """
    values = values.astype(np.float64)
    rows = {
        "mean": values.mean(0),
        "std": values.std(0),
        "min": values.min(0),
        "max": values.max(0),
        "q01": np.quantile(values, 0.01, axis=0),
        "q99": np.quantile(values, 0.99, axis=0),
    }
    return {name: row.tolist() for name, row in rows.items()} | {"mask": mask}


Motion = tuple[np.ndarray, np.ndarray]
"""action (T, 7) and state (T, 19) of an episode"""


def motions(dataset: Dataset) -> Iterator[Motion]:
    """Actions and states of every episode of every split."""
    for split in dataset.shards:
        for episode in dataset.episodes(split):
            yield episode.action, episode.state


def compute(dataset: Dataset, given: Iterable[Motion]) -> dict[str, Any]:
    """The content of dataset_statistics.json.

    Args:
        dataset: whose fingerprint it carries.
        given: its motions.

    Raises:
        ValueError: there are none.
    """
    pairs = list(given)
    if not pairs:
        raise ValueError(f"{dataset.folder} has no episodes")
    action = np.concatenate([pair[0] for pair in pairs])
    state = np.concatenate([pair[1] for pair in pairs])
    return {
        "fingerprint": fingerprint(dataset),
        # The gripper is absolute and stays as it is; where it never moves, noise would be all that is left of it.
        "action": describe(action, [True] * (action.shape[1] - 1) + [False]),
        "state": describe(state, [True] * state.shape[1]),
        "num_transitions": len(action),
        "num_trajectories": len(pairs),
    }


def write(dataset: Dataset, given: Iterable[Motion] | None = None) -> dict[str, Any]:
    """Compute and write them; reads the dataset unless its motions are given."""
    statistics = compute(dataset, motions(dataset) if given is None else given)
    temporary = dataset.folder / f".{STATISTICS}"
    temporary.write_text(json.dumps(statistics, indent=2) + "\n")
    temporary.replace(dataset.folder / STATISTICS)
    return statistics


def is_fresh(dataset: Dataset) -> bool:
    """Whether the file is there and belongs to the data."""
    try:
        found = json.loads((dataset.folder / STATISTICS).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(found.get("fingerprint") == fingerprint(dataset))


def load(path: Path) -> dict[str, Any]:
    """The statistics of a dataset, computed anew if they are missing or of other data."""
    dataset = Dataset(path)
    if is_fresh(dataset):
        return dict(json.loads((dataset.folder / STATISTICS).read_text()))
    return write(dataset)
