# SPDX-License-Identifier: Apache-2.0
"""Every step of some datasets, numbered: its numbers in memory, and where its images lie in the files.

About 200 bytes per step, whatever the images weigh: a million steps take 200 MB, and nothing grows while a training
runs. Any step is at hand at once, so a shuffle is a permutation of the numbers: it needs no buffer, and a place in it
is one number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rldg_core.vocabulary import ExecutedBy
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.episode import NO_TEACHER, Episode
from rldg_distill.datasets.rlds import Dataset, NotADataset, from_example
from rldg_distill.datasets.tfrecord import bytes_spans, placed_records

_LEARNED_FROM = {
    "action": "action",
    "state": "state",
    "teacher_mean": "action",
    "teacher_log_std": "action",
}
"""what students learn from, and in which of the spaces it is"""


@dataclass
class _Rows:
    """What is gathered episode by episode, one array each."""

    action: list[np.ndarray] = field(default_factory=list)
    state: list[np.ndarray] = field(default_factory=list)
    teacher_mean: list[np.ndarray] = field(default_factory=list)
    teacher_log_std: list[np.ndarray] = field(default_factory=list)
    teacher_known: list[np.ndarray] = field(default_factory=list)
    instruction: list[np.ndarray] = field(default_factory=list)
    scale: list[np.ndarray] = field(default_factory=list)
    place: dict[str, list[np.ndarray]] = field(default_factory=dict)
    file: list[int] = field(default_factory=list)


class StepIndex:
    """N steps of E episodes, dataset after dataset in the order given."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        split: str,
        on_episode: Callable[[], None] = lambda: None,
    ) -> None:
        """Read and check every record once.

        Args:
            datasets: of the same cameras and spaces, one or more.
            split: train or val.
            on_episode: called after every episode.

        Raises:
            NotADataset: a file is missing, a record holds no episode, or an image is not of the size that
                features.json names.
            DamagedRecord: a damaged file.
        """
        self.cameras: dict[str, tuple[int, int]] = {}
        """(height, width) of the images"""
        self.instructions: list[str] = []
        """every wording; `instruction` counts them"""
        self.spaces = datasets[0].spaces
        """of actions and states: A and S numbers, of an action M motions"""
        action, state = len(self.spaces.action), len(self.spaces.state)
        self.episodes: list[str] = []
        """`<dataset>: <run>/<episode>` of every episode"""
        self.files: list[Path] = []
        self.sizes: list[int] = []
        """steps of every dataset"""
        rows = _Rows()
        for dataset in datasets:
            before = sum(map(len, rows.action))
            self._read(dataset, split, rows, on_episode)
            self.sizes.append(sum(map(len, rows.action)) - before)
        lengths = np.array([len(action) for action in rows.action], np.int64)
        ends = np.cumsum(lengths)
        self.episode = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        """(N,) number of the episode"""
        self.begin, self.end = ends - lengths, ends
        """(E,) first step of every episode, and the one behind its last"""
        self.action = _joined(rows.action, np.zeros((0, action), np.float32))
        """(N, A) float32"""
        self.state = _joined(rows.state, np.zeros((0, state), np.float32))
        """(N, S) float32"""
        self.teacher_mean = _joined(rows.teacher_mean, np.zeros((0, action), np.float32))
        """(N, A) float32"""
        self.teacher_log_std = _joined(rows.teacher_log_std, np.zeros((0, action), np.float32))
        """(N, A) float32"""
        self.teacher_known = _joined(rows.teacher_known, np.zeros(0, bool))
        """(N,) bool: the policy decided the step and its distribution is there"""
        self.instruction = _joined(rows.instruction, np.zeros(0, np.int32))
        """(N,) number of the wording"""
        self.scale = np.array(rows.scale, np.float32).reshape(-1, self.spaces.action.motions)
        """(E, M) what a full action of the teacher is, of an arm in m and rad"""
        self._place = {camera: np.concatenate(places) for camera, places in rows.place.items()}
        self._file = np.array(rows.file, np.int32)

    def __len__(self) -> int:
        return len(self.action)

    def place(self, camera: str, step: int) -> tuple[int, int, int]:
        """Where an image lies: number of the file, first byte, number of bytes."""
        start, length = self._place[camera][step]
        return int(self._file[self.episode[step]]), int(start), int(length)

    def _read(
        self, dataset: Dataset, split: str, rows: _Rows, on_episode: Callable[[], None]
    ) -> None:
        sizes = dataset.image_sizes
        if self.cameras and sizes != self.cameras:
            raise NotADataset(
                f"{dataset.folder} has cameras {sizes}, the datasets before it {self.cameras}: "
                "convert them with the same --camera and image size"
            )
        self.cameras = sizes
        numbers = {text: number for number, text in enumerate(self.instructions)}
        for file in dataset.shards.get(split, []):
            self.files.append(file)
            try:
                for offset, record in placed_records(file):
                    self._add(dataset, offset, record, rows, numbers)
                    on_episode()
            except FileNotFoundError as error:
                raise NotADataset(f"{file} is missing: convert again") from error
        self.instructions = list(numbers)

    def _add(
        self, dataset: Dataset, offset: int, record: bytes, rows: _Rows, numbers: dict[str, int]
    ) -> None:
        try:
            episode = from_example(record, list(self.cameras), self.spaces)
            if not len(episode):
                raise ValueError("it has no steps")
            spans = bytes_spans(record)
            shapes = {
                camera: _odd_size(episode.images[camera], size)
                for camera, size in self.cameras.items()
            }
        except (ValueError, OSError, IndexError) as error:
            raise NotADataset(f"{self.files[-1]} at byte {offset}: no episode: {error}") from error
        if shapes != self.cameras:
            raise NotADataset(
                f"{self.files[-1]} at byte {offset}: images are {shapes}, features.json says {self.cameras}"
            )
        self._check_numbers(offset, episode)
        rows.action.append(episode.action)
        rows.state.append(episode.state)
        rows.teacher_mean.append(episode.teacher_mean)
        rows.teacher_log_std.append(episode.teacher_log_std)
        rows.teacher_known.append(
            (episode.teacher_version != NO_TEACHER) & (episode.executed_by == ExecutedBy.POLICY)
        )
        wordings = [numbers.setdefault(text, len(numbers)) for text in episode.instruction]
        rows.instruction.append(np.array(wordings, np.int32))
        rows.scale.append(episode.metadata.action_scale)
        for camera in self.cameras:
            place = np.array(spans[f"steps/observation/{camera}"], np.int64)
            place[:, 0] += offset
            rows.place.setdefault(camera, []).append(place)
        rows.file.append(len(self.files) - 1)
        self.episodes.append(f"{dataset.name}: {episode.metadata.bag}")

    def _check_numbers(self, offset: int, episode: Episode) -> None:
        """Training on what is no number makes weights that are none, and shows in the loss only."""
        for name, quantity in _LEARNED_FROM.items():
            dimensions = getattr(self.spaces, quantity).names
            bad = np.argwhere(~np.isfinite(getattr(episode, name)))
            if len(bad):
                step, dimension = bad[0]
                raise NotADataset(
                    f"{self.files[-1]} at byte {offset}: {name} '{dimensions[dimension]}' of {episode.metadata.bag} "
                    f"is no number in step {step}: `dataset validate` names all; convert without those bags"
                )
        if not (
            np.isfinite(episode.metadata.action_scale) & (episode.metadata.action_scale > 0)
        ).all():
            raise NotADataset(
                f"{self.files[-1]} at byte {offset}: {episode.metadata.bag} has no valid action scale: convert again"
            )


def _odd_size(images: Sequence[bytes], size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the first image that has another than `size`; `size` where none has, by the headers."""
    sizes = (image_codec.shape(image)[:2] for image in images)
    return next((found for found in sizes if found != size), size)


def _joined(arrays: list[np.ndarray], empty: np.ndarray) -> np.ndarray:
    return np.concatenate(arrays) if arrays else empty
