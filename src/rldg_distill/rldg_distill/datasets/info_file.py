# SPDX-License-Identifier: Apache-2.0
"""`dataset_info.json` and `features.json` of a dataset, as TensorFlow Datasets writes them: as much as is read here."""

# ruff: noqa: N815 - TFDS's names

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rldg_core.files.checked_file import FormatError, read_json
from rldg_core.files.safe_name import check_name

INFO, FEATURES = "dataset_info.json", "features.json"
FIX = "Copy the dataset again, or convert its bags again"
MOST_EPISODES = 10**9
"""in a shard"""


@dataclass(frozen=True)
class Split:
    """A part of the episodes."""

    name: str
    shardLengths: tuple[str, ...] = ()
    """episodes of every file, as text"""

    def __post_init__(self) -> None:
        check_name(self.name, "a split")
        for length in self.shardLengths:
            if not (length.isdecimal() and len(length) < 20 and int(length) <= MOST_EPISODES):
                raise ValueError(f"a file of the split {self.name} cannot have {length} episodes")

    @property
    def lengths(self) -> list[int]:
        """Episodes of every file."""
        return [int(length) for length in self.shardLengths]


@dataclass(frozen=True)
class DatasetInfo:
    """Name and files of a dataset."""

    name: str
    splits: tuple[Split, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "the dataset's name")
        names = [split.name for split in self.splits]
        if len(set(names)) < len(names):
            raise ValueError("two of its splits have one name")


@dataclass(frozen=True)
class _Shape:
    dimensions: tuple[str, ...]


@dataclass(frozen=True)
class _Image:
    shape: _Shape

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        sides = self.shape.dimensions[:2]
        if len(sides) < 2 or not all(side.isdecimal() and len(side) < 6 for side in sides):
            raise ValueError(f"an image cannot be {' x '.join(sides)}")
        return int(sides[0]), int(sides[1])


@dataclass(frozen=True)
class _Features:
    features: dict[str, _Node]


@dataclass(frozen=True)
class _Steps:
    feature: _Node


@dataclass(frozen=True)
class _Node:
    """A feature: one of these."""

    featuresDict: _Features | None = None
    sequence: _Steps | None = None
    image: _Image | None = None

    def child(self, name: str) -> _Node:
        found = self.featuresDict and self.featuresDict.features.get(name)
        if not found:
            raise ValueError(f"there is no feature {name}")
        return found


def read_info(path: Path) -> DatasetInfo:
    """Read dataset_info.json.

    Raises:
        FormatError: it is damaged.
        OSError: it cannot be read.
    """
    return read_json(path, DatasetInfo, fix=FIX)


def read_image_sizes(path: Path, cameras: Iterable[str]) -> dict[str, tuple[int, int]]:
    """(height, width) of the images of some cameras, out of features.json.

    Raises:
        FormatError: it is damaged, or has no such camera.
        OSError: it cannot be read.
    """
    tree = read_json(path, _Node, fix=FIX)
    try:
        steps = tree.child("steps").sequence
        if steps is None:
            raise ValueError("it names no steps")
        seen = steps.feature.child("observation")
        return {camera: _size(seen.child(camera), camera) for camera in cameras}
    except ValueError as error:
        raise FormatError(f"{path} cannot be used: {error}. {FIX}") from error


def _size(feature: _Node, camera: str) -> tuple[int, int]:
    if feature.image is None:
        raise ValueError(f"{camera} is no image")
    return feature.image.size
