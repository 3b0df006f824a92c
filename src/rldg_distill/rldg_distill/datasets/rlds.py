# SPDX-License-Identifier: Apache-2.0
"""RLDS in the folder layout of TensorFlow Datasets, written and read without either.

    data/<name>/1.0.0/
      dataset_info.json  features.json             what `tfds.builder_from_directory` reads
      <name>-train.tfrecord-00000-of-00003 ...     one tf.train.Example per episode
      <name>-val.tfrecord-00000-of-00001           always there
      contract.json                                units, frames, cameras, image format, where the episodes come from
      dataset_statistics.json                      see `statistics`

An Example is flat: `steps/action` holds T * A floats, `steps/observation/image` T encoded images,
`episode_metadata/task` one string. `conversion.shard` writes them, `from_example` reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.commands.command_line import UsageError
from rldg_core.contract import CONTRACT_VERSION
from rldg_core.files.checked_file import FormatError
from rldg_core.space import Spaces
from rldg_core.user_error import UserError
from rldg_distill.datasets.contract_file import CONTRACT, read_contract, read_version
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.info_file import FEATURES, INFO, read_image_sizes, read_info
from rldg_distill.datasets.metadata_leaves import FLOATS, kinds, metadata_of
from rldg_distill.datasets.tfrecord import (
    Values,
    checksums,
    decode_example,
    read_records,
)

VERSION = "1.0.0"
"""of the data, as TFDS counts; it names the folder"""
SPLITS = ("train", "val")
NAME = re.compile(r"[a-z][a-z0-9_]*")
_CLASSES = "tensorflow_datasets.core.features."
_DICT = _CLASSES + "features_dict.FeaturesDict"


class NotADataset(UserError, ValueError):
    """A folder that is no dataset of this layout, or one of another contract; the message says which."""


class NoDataset(NotADataset, UsageError):
    """Something else than a dataset was named; a damaged one is a `NotADataset` alone."""


@dataclass(frozen=True)
class Feature:
    """One leaf of the features tree."""

    dtype: str
    """float32, int64, uint64, bool, string or image"""
    shape: tuple[int, ...] = ()
    description: str = ""
    encoding: str = ""
    """of an image: png or jpeg"""

    def to_json(self) -> dict[str, Any]:
        """As TFDS writes it into features.json."""
        shape = {"dimensions": [str(size) for size in self.shape]} if self.shape else {}
        if self.dtype == "string":
            content: dict[str, Any] = {
                "pythonClassName": _CLASSES + "text_feature.Text",
                "text": {},
            }
        elif self.dtype == "image":
            image = {"shape": shape, "dtype": "uint8", "encodingFormat": self.encoding}
            content = {"pythonClassName": _CLASSES + "image_feature.Image", "image": image}
        else:
            kind = "tensor_feature.Tensor" if self.shape else "scalar.Scalar"
            tensor = {"shape": shape, "dtype": self.dtype, "encoding": "none"}
            content = {"pythonClassName": _CLASSES + kind, "tensor": tensor}
        return content | ({"description": self.description} if self.description else {})


def features(
    cameras: dict[str, tuple[int, ...]], encoding: str, spaces: Spaces = ARM
) -> dict[str, Feature]:
    """Every leaf by its path.

    Args:
        cameras: shape (H, W, 3) by feature name.
        encoding: png or jpeg.
        spaces: of actions and states.
    """
    state, action = "; ".join(spaces.state.names), "; ".join(spaces.action.names)
    if spaces == ARM:
        state += ". Pose relative to the reset pose, the rest in the TCP frame"
        action += ". TCP motion per control step in the TCP frame"
    action_shape = (len(spaces.action),)
    per_step = {
        **{
            f"observation/{name}": Feature("image", shape, "RGB", encoding)
            for name, shape in sorted(cameras.items())
        },
        "observation/state": Feature("float32", (len(spaces.state),), state),
        "action": Feature("float32", action_shape, action),
        "language_instruction": Feature("string", (), "the task in words"),
        "reward": Feature("float32", (), "1 on success, else 0"),
        "discount": Feature("float32", (), "0 where the episode terminated, else 1"),
        "is_first": Feature("bool"),
        "is_last": Feature("bool"),
        "is_terminal": Feature("bool", (), "solved; a time-out is not terminal"),
        "teacher/mean": Feature(
            "float32",
            action_shape,
            "of the teacher's Gaussian before tanh, in units of its action scale",
        ),
        "teacher/log_std": Feature("float32", action_shape, "of the same Gaussian"),
        "teacher/version": Feature(
            "int64", (), "update count of its weights; -1: no policy ran, mean and log_std are 0"
        ),
        "executed_by": Feature("int64", (), "0 policy, 1 intervention, 2 demonstration"),
        "stamp/image": Feature("int64", (), "header stamp of the image [ns of ROS time]"),
        "stamp/state": Feature("int64", (), "header stamp of the pose [ns of ROS time]"),
    }
    metadata = {
        "int": Feature("uint64"),
        "bool": Feature("bool"),
        "str": Feature("string"),
        "float": Feature("float32"),
        FLOATS: Feature("float32", (spaces.action.motions,)),
    }
    return {f"steps/{path}": feature for path, feature in per_step.items()} | {
        f"episode_metadata/{name}": metadata[kind] for name, kind in kinds(spaces.action).items()
    }


def features_json(leaves: dict[str, Feature]) -> dict[str, Any]:
    """The content of features.json."""
    tree: dict[str, Any] = {}
    for path, feature in leaves.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = feature
    content = {name: _node(child) for name, child in tree.items()}
    content["steps"] = {
        "pythonClassName": _CLASSES + "dataset_feature.Dataset",
        "sequence": {"feature": content["steps"], "length": "-1"},
    }
    return {"pythonClassName": _DICT, "featuresDict": {"features": content}}


def _node(child: Any) -> dict[str, Any]:
    if isinstance(child, Feature):
        return child.to_json()
    content = {name: _node(grandchild) for name, grandchild in child.items()}
    return {"pythonClassName": _DICT, "featuresDict": {"features": content}}


def check_dataset_name(name: str) -> None:
    """Whether a folder may have that name, and TFDS can find a dataset of it.

    Raises:
        ValueError: not so.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"'{name}' is no name of a dataset: a letter, then letters, digits and _, all lower case"
        )


def shard_name(dataset: str, split: str, index: int, count: int) -> str:
    """File name of a shard."""
    return f"{dataset}-{split}.tfrecord-{index:05d}-of-{count:05d}"


def from_example(data: bytes, cameras: list[str], spaces: Spaces = ARM) -> Episode:
    """The episode of a serialised tf.train.Example.

    Args:
        data: the Example.
        cameras: of the dataset, which may have none.
        spaces: of the dataset.

    Raises:
        ValueError: not an Example, or features are missing or of a wrong size.
    """
    try:
        values = decode_example(data)
        numbers = len(spaces.action)
        action = np.asarray(values["steps/action"], np.float32).reshape(-1, numbers)
        steps = len(action)
        metadata = {
            name: _read_leaf(values[f"episode_metadata/{name}"], kind)
            for name, kind in kinds(spaces.action).items()
        }

        def array(path: str, dtype: Any, size: int = 0) -> np.ndarray:
            flat = np.asarray(values[f"steps/{path}"])
            if flat.dtype.kind == "f" and dtype is not np.float32:
                raise TypeError(f"{path} are no whole numbers")
            flat = flat.astype(dtype, copy=False)
            return flat.reshape((steps, size) if size else (steps,))

        return Episode(
            metadata=metadata_of(metadata, spaces.action),
            images={name: _strings(values[f"steps/observation/{name}"], steps) for name in cameras},
            state=array("observation/state", np.float32, len(spaces.state)),
            action=action,
            instruction=[t.decode() for t in _strings(values["steps/language_instruction"], steps)],
            reward=array("reward", np.float32),
            discount=array("discount", np.float32),
            is_first=array("is_first", bool),
            is_last=array("is_last", bool),
            is_terminal=array("is_terminal", bool),
            executed_by=array("executed_by", np.int64),
            teacher_mean=array("teacher/mean", np.float32, numbers),
            teacher_log_std=array("teacher/log_std", np.float32, numbers),
            teacher_version=array("teacher/version", np.int64),
            image_stamp=array("stamp/image", np.int64),
            state_stamp=array("stamp/state", np.int64),
            spaces=spaces,
        )
    except KeyError as error:
        raise ValueError(f"the feature {error} is missing") from error
    except (IndexError, TypeError, OverflowError) as error:
        raise ValueError(f"a feature is of another type: {error}") from error


def _read_leaf(values: Values, kind: str) -> Any:
    """What a leaf of `episode_metadata` says."""
    if kind == FLOATS:
        return tuple(float(value) for value in values)
    value: Any = values[0]
    if kind == "int":
        return int(value) % (1 << 64)
    if kind == "str":
        return bytes.decode(value)
    return bool(value) if kind == "bool" else float(value)


def _strings(values: Values, steps: int) -> list[bytes]:
    if not isinstance(values, list) or len(values) != steps:
        raise ValueError(f"a feature holds {len(values)} values for {steps} steps")
    return values


def write_metadata(
    folder: Path,
    leaves: dict[str, Feature],
    shard_lengths: dict[str, list[int]],
    contract: dict[str, Any],
) -> None:
    """Write dataset_info.json, features.json and contract.json beside finished shards.

    Args:
        folder: `data/<name>/1.0.0`.
        leaves: of `features`.
        shard_lengths: episodes of every shard by split.
        contract: units, cameras and origin; the contract version is added.
    """
    name = folder.parent.name
    splits = []
    for split, lengths in shard_lengths.items():
        files = [folder / shard_name(name, split, i, len(lengths)) for i in range(len(lengths))]
        splits.append(
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split,
                "numBytes": str(sum(length for file in files for length, _ in checksums(file))),
                "shardLengths": [str(length) for length in lengths],
            }
        )
    info = {
        "description": f"Steps of 10 Hz robot episodes; {CONTRACT} tells units, frames and cameras.",
        "fileFormat": "tfrecord",
        "moduleName": "rldg_distill",
        "name": name,
        "releaseNotes": {VERSION: "converted from bags"},
        "splits": splits,
        "version": VERSION,
    }
    _write_json(folder / FEATURES, features_json(leaves))
    _write_json(folder / CONTRACT, {"contract_version": CONTRACT_VERSION} | contract)
    _write_json(folder / INFO, info)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


class Dataset:
    """A dataset on disk."""

    def __init__(self, path: Path) -> None:
        """Open `data/<name>` or `data/<name>/<version>`.

        Raises:
            NotADataset: it is none, or one of another contract version.
        """
        self.folder = path if (path / INFO).is_file() else path / VERSION
        try:
            self.info = read_info(self.folder / INFO)
            version = read_version(self.folder / CONTRACT)
            if version != CONTRACT_VERSION:
                raise NotADataset(
                    f"{path} has contract version {version}, this code reads {CONTRACT_VERSION}: convert again"
                )
            self.contract = read_contract(self.folder / CONTRACT)
        except FileNotFoundError as error:
            raise NoDataset(
                f"{path} is no finished dataset: there is no {error.filename}"
            ) from error
        except FormatError as error:
            raise NotADataset(str(error)) from error
        self.name = self.info.name

    @property
    def cameras(self) -> list[str]:
        """Feature names of the images."""
        return sorted(self.contract.cameras)

    @cached_property
    def spaces(self) -> Spaces:
        """What the numbers of its actions and states mean."""
        return self.contract.spaces

    @cached_property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of every camera's images, as features.json names them.

        Raises:
            NotADataset: it names none.
        """
        try:
            return read_image_sizes(self.folder / FEATURES, self.cameras)
        except (OSError, FormatError) as error:
            raise NotADataset(f"{self.folder} names no images: {error}") from error

    @cached_property
    def shards(self) -> dict[str, list[Path]]:
        """Files of every split."""
        return {
            split.name: [
                self.folder / shard_name(self.name, split.name, i, len(split.lengths))
                for i in range(len(split.lengths))
            ]
            for split in self.info.splits
        }

    @property
    def lengths(self) -> dict[str, int]:
        """Number of episodes of every split."""
        return {split.name: sum(split.lengths) for split in self.info.splits}

    def episodes(self, split: str) -> Iterator[Episode]:
        """Every episode of a split, one at a time.

        Raises:
            KeyError: no such split.
            DamagedRecord: a damaged file.
            ValueError: a record that is no episode.
        """
        for shard in self.shards[split]:
            for data in read_records(shard):
                yield from_example(data, self.cameras, self.spaces)
