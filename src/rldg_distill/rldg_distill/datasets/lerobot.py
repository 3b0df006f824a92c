# SPDX-License-Identifier: Apache-2.0
"""An RLDS dataset as a LeRobot dataset v3.0, the format that `LeRobotDataset` of the package lerobot reads.

    data/<name>/lerobot/
      data/chunk-000/file-000.parquet ...         one row per step, one row group per episode
      meta/episodes/chunk-000/file-000.parquet    one row per episode: its place, statistics and origin
      meta/tasks.parquet                          the instructions
      meta/stats.json                             see `lerobot_statistics`; over both splits
      meta/info.json                              features, rate, splits as ranges of episodes
      meta/contract.json                          ours, as beside the RLDS: units, frames, cameras, image format

Images lie encoded in the data files, the bytes of the RLDS dataset; LeRobot's usual MP4 would lose some of them.
Layout: lerobot 0.4.4, `lerobot.datasets`.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
from rich.progress import Progress

from rldg_core.space import Spaces
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.contract_file import CONTRACT
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.lerobot_statistics import Statistics, describe_images, feature_statistics
from rldg_distill.datasets.metadata_leaves import FLOATS, kinds, leaves
from rldg_distill.datasets.rlds import Dataset

VERSION = "v3.0"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILES_PER_CHUNK = 1000
FILE_SIZE = 100
"""that a data file does not exceed, unless a single episode does [MiB]"""
CAMERA = "observation.images."
METADATA = {
    "int": pa.uint64(),
    "bool": pa.bool_(),
    "str": pa.string(),
    "float": pa.float32(),
    FLOATS: pa.list_(pa.float32()),
}
ROWS = 100  # episodes whose metadata are written together
Features = dict[str, dict[str, Any]]
Images = Mapping[str, Sequence[bytes]]
Numbers = dict[str, np.ndarray]


def export(
    dataset: Dataset, folder: Path, progress: Progress | None = None, file_size: int = FILE_SIZE
) -> None:
    """Write both splits of a dataset; memory holds one episode, and at the end one feature that is no image.

    Args:
        dataset: a finished one.
        folder: to be made; it holds half a dataset until the end.
        progress: gets a bar.
        file_size: bound of a data file [MiB].

    Raises:
        ValueError: the control rate is no whole number.
    """
    rate = dataset.contract.control_rate_hz
    if not rate.is_integer():
        raise ValueError(
            f"LeRobot counts whole frames per second, these are {rate}: stay with RLDS"
        )
    bar = progress and progress.add_task("exporting", total=sum(dataset.lengths.values()))
    writer = Writer(folder, int(rate), file_size, dataset.spaces)
    for split in dataset.lengths:
        for episode in dataset.episodes(split):
            writer.add(episode)
            if progress is not None:
                progress.advance(bar)  # type: ignore[arg-type]
    writer.finish(dataset)


class Writer:
    """Writes one dataset, episode by episode."""

    def __init__(self, folder: Path, rate: int, file_size: int, spaces: Spaces) -> None:
        """Begin in a folder that does not exist."""
        self._meta = folder / "meta"
        self._data = folder / "data"
        self._meta.mkdir(parents=True)
        self._rate = rate
        self._file_size = file_size
        self._files = ParquetFiles(self._data, file_size << 20)
        self._names = names(spaces)
        self._rows = EpisodeRows(self._meta / "episodes", kinds(spaces.action))
        self._features: Features = {}
        self._levels: dict[str, np.ndarray] = {}
        self._tasks: dict[str, int] = {}
        self._embodiments: set[str] = set()
        self._length = 0
        self._count = 0

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        images = {CAMERA + name: episode.images[name] for name in sorted(episode.images)}
        numbers = self._numbers(episode)
        if not self._features:
            self._features = features(images, numbers, self._names)
        chunk_index, file_index = self._files.write(frames(self._features, images, numbers))
        statistics = {key: feature_statistics(values) for key, values in numbers.items()}
        for key, encoded in images.items():
            levels = np.sum([image_codec.histogram(data) for data in encoded], axis=0)
            self._levels[key] = self._levels.get(key, 0) + levels
            statistics[key] = describe_images(levels, len(episode))
        place = {
            "episode_index": self._count,
            "tasks": list(dict.fromkeys(episode.instruction)),
            "length": len(episode),
            "data/chunk_index": chunk_index,
            "data/file_index": file_index,
            "dataset_from_index": self._length,
            "dataset_to_index": self._length + len(episode),
        }
        self._rows.add(place, statistics, leaves(episode.metadata, episode.spaces.action))
        self._embodiments.add(episode.metadata.embodiment)
        self._length += len(episode)
        self._count += 1

    def finish(self, dataset: Dataset) -> None:
        """Write what belongs to all episodes."""
        self._files.close()
        self._rows.close()
        pa.parquet.write_table(task_table(self._tasks), self._meta / "tasks.parquet")
        write_json(self._meta / "stats.json", self._statistics())
        shutil.copyfile(dataset.folder / CONTRACT, self._meta / CONTRACT)
        write_json(self._meta / "info.json", self._info(dataset.lengths))

    def _numbers(self, episode: Episode) -> Numbers:
        """Every feature but the images: (T,) or (T, D)."""
        frame = np.arange(len(episode))
        tasks = [self._tasks.setdefault(text, len(self._tasks)) for text in episode.instruction]
        return {
            "observation.state": episode.state,
            "action": episode.action,
            "next.reward": episode.reward,
            "next.done": episode.is_last,
            "next.truncated": episode.is_last & ~episode.is_terminal,
            "next.success": episode.is_last & episode.metadata.success,
            "teacher.mean": episode.teacher_mean,
            "teacher.log_std": episode.teacher_log_std,
            "teacher.version": episode.teacher_version,
            "executed_by": episode.executed_by,
            # Not stamp.image: LeRobot takes whatever has "image" in its name for one.
            "stamp.camera": episode.image_stamp,
            "stamp.state": episode.state_stamp,
            "timestamp": (frame / self._rate).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full_like(frame, self._count),
            "index": self._length + frame,
            "task_index": np.array(tasks),
        }

    def _statistics(self) -> dict[str, Statistics]:
        """Over everything, read back feature by feature so that memory holds one of them."""
        data = pa.dataset.dataset(self._data)
        statistics = {key: describe_images(n, self._length) for key, n in self._levels.items()}
        for key, feature in self._features.items():
            if key not in statistics:
                column = data.to_table(columns=[key])[key].combine_chunks()
                values = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
                numbers = values.to_numpy(zero_copy_only=False)
                statistics[key] = feature_statistics(numbers.reshape(-1, *feature["shape"]))
        return statistics

    def _info(self, lengths: dict[str, int]) -> dict[str, Any]:
        splits: dict[str, str] = {}
        start = 0
        for split, length in lengths.items():
            splits[split] = f"{start}:{start + length}"
            start += length
        return {
            "codebase_version": VERSION,
            "robot_type": min(self._embodiments) if len(self._embodiments) == 1 else None,
            "total_episodes": self._count,
            "total_frames": self._length,
            "total_tasks": len(self._tasks),
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": self._file_size,
            "video_files_size_in_mb": 200,  # LeRobot wants to know though there are none
            "fps": self._rate,
            "splits": splits,
            "data_path": f"data/{FILE}",
            "video_path": None,
            "features": self._features,
        }


class ParquetFiles:
    """Parquet files of bounded size, numbered as LeRobot does."""

    def __init__(self, folder: Path, limit: float = math.inf) -> None:
        """Begin without a file; `limit` [byte]."""
        self._folder = folder
        self._limit = limit
        self._number = -1
        self._stream: Any = None
        self._writer: Any = None

    def write(self, table: pa.Table) -> tuple[int, int]:
        """Write a row group; returns the indices of chunk and file that it went to."""
        if self._writer is None or self._stream.tell() + table.nbytes > self._limit:
            self._open_next(table.schema)
        self._writer.write_table(table)
        return divmod(self._number, FILES_PER_CHUNK)

    def close(self) -> None:
        """Finish the last file."""
        if self._writer is not None:
            self._writer.close()
            self._stream.close()

    def _open_next(self, schema: pa.Schema) -> None:
        self.close()
        self._number += 1
        chunk_index, file_index = divmod(self._number, FILES_PER_CHUNK)
        path = self._folder / FILE.format(chunk_index=chunk_index, file_index=file_index)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("wb")
        self._writer = pa.parquet.ParquetWriter(self._stream, schema)


class EpisodeRows:
    """The table of episodes; some kB each, so that one file is enough."""

    def __init__(self, folder: Path, origin: dict[str, str]) -> None:
        """Begin without rows; `origin`: kinds of what says where an episode comes from, see `metadata_leaves`."""
        self._files = ParquetFiles(folder)
        self._origin = origin
        self._rows: list[dict[str, Any]] = []

    def add(
        self, place: dict[str, Any], statistics: dict[str, Statistics], origin: dict[str, Any]
    ) -> None:
        """Append an episode."""
        row = place | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        for key, values in statistics.items():
            row |= {f"stats/{key}/{name}": value for name, value in values.items()}
        row |= {f"episode_metadata/{name}": value for name, value in origin.items()}
        self._rows.append(row)
        if len(self._rows) == ROWS:
            self._write()

    def close(self) -> None:
        """Finish the file."""
        if self._rows:
            self._write()
        self._files.close()

    def _write(self) -> None:
        types = {f"episode_metadata/{name}": METADATA[kind] for name, kind in self._origin.items()}
        columns = {
            key: pa.array([row[key] for row in self._rows], types.get(key)) for key in self._rows[0]
        }
        self._files.write(pa.table(columns))
        self._rows = []


def names(spaces: Spaces) -> dict[str, tuple[str, ...]]:
    """Of the dimensions of every feature that has any."""
    dimensions = tuple(name.split(" [")[0] for name in spaces.action.names)
    return {
        "observation.state": spaces.state.names,
        "action": spaces.action.names,
        "teacher.mean": dimensions,
        "teacher.log_std": dimensions,
    }


def features(images: Images, numbers: Numbers, named: Mapping[str, Sequence[str]]) -> Features:
    """The features of info.json, as the arrays of an episode have them; `named`: see `names`."""
    return {
        key: {
            "dtype": "image",
            "shape": list(image_codec.shape(encoded[0])),
            "names": ["height", "width", "channels"],
        }
        for key, encoded in images.items()
    } | {
        key: {
            "dtype": str(values.dtype),
            "shape": list(values.shape[1:]) or [1],
            "names": list(named[key]) if key in named else None,
        }
        for key, values in numbers.items()
    }


def frames(description: Features, images: Images, numbers: Numbers) -> pa.Table:
    """The steps of an episode as a table of their features."""
    columns: dict[str, pa.Array] = {}
    for key, encoded in images.items():
        paths = pa.nulls(len(encoded), pa.string())
        columns[key] = pa.StructArray.from_arrays([pa.array(encoded), paths], ["bytes", "path"])
    for key, values in numbers.items():
        flat = pa.array(values.ravel())
        vector = values.ndim > 1
        columns[key] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if vector else flat
    # Where info.json is not at hand the package datasets looks here for what is an image.
    kinds = {key: _hugging_face_type(feature) for key, feature in description.items()}
    content = json.dumps({"info": {"features": kinds}})
    return pa.table(columns).replace_schema_metadata({"huggingface": content})


def _hugging_face_type(feature: dict[str, Any]) -> dict[str, Any]:
    if feature["dtype"] == "image":
        return {"_type": "Image"}
    value = {"dtype": feature["dtype"], "_type": "Value"}
    (size,) = feature["shape"]
    return {"feature": value, "length": size, "_type": "List"} if size > 1 else value


def task_table(tasks: dict[str, int]) -> pa.Table:
    """The instructions in the order of their indices, as pandas writes a frame whose index they are."""
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": name,
                "pandas_type": kind,
                "numpy_type": dtype,
                "metadata": None,
            }
            for name, (kind, dtype) in kinds.items()
        ],
    }
    table = pa.table({"task_index": list(tasks.values()), "task": list(tasks)})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write it as LeRobot does."""
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
