# SPDX-License-Identifier: Apache-2.0
"""The datasets of a training, checked against each other before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rldg_distill.datasets import statistics
from rldg_distill.datasets.rlds import Dataset, NoDataset, NotADataset
from rldg_distill.datasets.step_index import StepIndex
from rldg_distill.students.card import DataCard


@dataclass(frozen=True)
class TrainingData:
    """Both splits, and what a student has to know of them."""

    train: StepIndex
    val: StepIndex
    card: DataCard


def open_data(paths: Sequence[Path], on_episode: Callable[[], None] = lambda: None) -> TrainingData:
    """Read and check datasets.

    Args:
        paths: `data/<name>`, one or more.
        on_episode: called after every episode.

    Raises:
        NotADataset: one is none, is empty, or does not fit the others; the message says why and what to do.
        DamagedRecord: a damaged file.
    """
    datasets = [Dataset(path) for path in paths]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise NoDataset(f"two datasets are called {name}: convert one under another name")
    first = datasets[0]
    for other in datasets[1:]:
        _check_fit(first, other)
    for dataset in datasets:
        for split in ("train", "val"):
            if not dataset.lengths.get(split):
                raise NotADataset(
                    f"{dataset.folder} has no episodes in the split {split}: convert more episodes"
                )
    train = StepIndex(datasets, "train", on_episode)
    val = StepIndex(datasets, "val", on_episode)
    card = DataCard(
        statistics=_statistics(datasets, train, val),
        fingerprints={dataset.name: statistics.fingerprint(dataset) for dataset in datasets},
        cameras=train.cameras,
        topics=dict(first.contract.cameras),
        control_rate=first.contract.control_rate_hz,
        instructions=tuple(sorted({*train.instructions, *val.instructions})),
        action_scales=tuple(map(tuple, np.unique(train.scale, axis=0).tolist())),
        image_contract=_image_contract(datasets),
        spaces=first.spaces,
    )
    return TrainingData(train, val, card)


def _check_fit(first: Dataset, other: Dataset) -> None:
    if differs := first.spaces.difference(other.spaces):
        raise NotADataset(
            f"{other.folder} is of another space than {first.folder}: {differs}. They cannot be mixed; "
            "train on each alone"
        )
    for key, meaning in (("control_rate_hz", "control rate"), ("cameras", "cameras")):
        mine, theirs = getattr(first.contract, key), getattr(other.contract, key)
        if mine != theirs:
            raise NotADataset(
                f"{other.folder} has the {meaning} {theirs}, {first.folder} has {mine}: "
                "they cannot be mixed; train on each alone, or convert them alike"
            )


def _image_contract(datasets: Sequence[Dataset]) -> str:
    """Of a real camera's pictures, with which the twin's may be mixed."""
    contracts = {dataset.contract.image_contract or "" for dataset in datasets} - {""}
    if len(contracts) > 1:
        raise NotADataset(
            f"the images do not match: {' and '.join(sorted(contracts))}; train on datasets of one crop"
        )
    return "".join(contracts)


def _statistics(datasets: Sequence[Dataset], train: StepIndex, val: StepIndex) -> dict[str, Any]:
    """Of one dataset its own file; of several, the same numbers over all of their steps."""
    own = [statistics.load(dataset.folder) for dataset in datasets]
    if len(own) == 1:
        return {quantity: own[0].get(quantity, {}) for quantity in ("action", "state")}
    return {
        "action": statistics.vector_statistics(
            np.concatenate([train.action, val.action]), own[0]["action"]["mask"]
        ),
        "state": statistics.vector_statistics(
            np.concatenate([train.state, val.state]), own[0]["state"]["mask"]
        ),
    }
