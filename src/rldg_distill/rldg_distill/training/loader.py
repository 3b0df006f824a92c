# SPDX-License-Identifier: Apache-2.0
"""Batches out of a dataset's files: threads read and decode what the training is about to need.

The order is decided in one thread and each batch is made whole by one worker, so the batches are the same for any
number of workers. A checkpoint keeps the place behind the last batch that was given out, not behind the last that was
prepared.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from rldg_core.files.picture import decode
from rldg_distill.datasets.mixture import Mixture
from rldg_distill.datasets.step_index import StepIndex
from rldg_distill.students.batch import StudentBatch


class StepImages:
    """The images of an index's steps, out of the files; from any thread."""

    def __init__(self, index: StepIndex, room: int = 0) -> None:
        """Of the decoded ones as many are kept as `room` [bytes] holds; what comes first stays."""
        self._index = index
        self._room = room
        self._kept: dict[tuple[str, int], np.ndarray] = {}
        self._descriptors = [os.open(file, os.O_RDONLY) for file in index.files]

    def image(self, camera: str, step: int) -> np.ndarray:
        """(height, width, 3) uint8 RGB.

        Raises:
            ValueError: the file has changed since it was indexed, or the image has another size than its camera's.
        """
        kept = self._kept.get((camera, step))
        if kept is not None:
            return kept
        image = self._decoded(camera, step)
        if image.nbytes <= self._room and (camera, step) not in self._kept:
            self._room -= image.nbytes
            self._kept[camera, step] = image
        return image

    def _decoded(self, camera: str, step: int) -> np.ndarray:
        file, start, length = self._index.place(camera, step)
        data = os.pread(self._descriptors[file], length, start)
        try:
            image = decode(data)
        except ValueError as error:
            raise ValueError(f"{self._index.files[file]} at byte {start}: {error}") from error
        if image.shape[:2] != self._index.cameras[camera]:
            raise ValueError(
                f"{self._index.files[file]} at byte {start}: an image of {camera} is {image.shape[:2]}, "
                f"the dataset says {self._index.cameras[camera]}"
            )
        return image


class Assembler:
    """Makes batches of steps; from any thread."""

    def __init__(
        self, index: StepIndex, cameras: Iterable[str], window: int, chunk: int, room: int = 0
    ) -> None:
        """See `StudentBatch` for what `window` and `chunk` mean, and `StepImages` for `room`; only images of `cameras`
        are decoded.
        """
        self._index = index
        self._files = StepImages(index, room)
        self._cameras = list(cameras)
        self._past = np.arange(1 - window, 1)
        self._future = np.arange(chunk)

    def batch(self, steps: np.ndarray) -> StudentBatch:
        """The batch of (B,) step numbers, each the last of its window.

        Raises:
            ValueError: an image cannot be read; the message says where.
        """
        index = self._index
        episode = index.episode[steps]
        begin, end = index.begin[episode, None], index.end[episode, None]
        seen = steps[:, None] + self._past
        step_mask = seen >= begin
        done = seen[:, :, None] + self._future
        action_mask = step_mask[:, :, None] & (done < end[:, :, None])
        seen = np.maximum(seen, begin)
        done = np.clip(done, begin[:, :, None], end[:, :, None] - 1)
        return StudentBatch(
            images={camera: self._images(camera, seen) for camera in self._cameras},
            step_mask=torch.from_numpy(step_mask),
            state=torch.from_numpy(index.state[seen]),
            instruction=[index.instructions[number] for number in index.instruction[steps]],
            action=torch.from_numpy(index.action[done]),
            action_mask=torch.from_numpy(action_mask),
            teacher_mean=torch.from_numpy(index.teacher_mean[done]),
            teacher_log_std=torch.from_numpy(index.teacher_log_std[done]),
            teacher_mask=torch.from_numpy(action_mask & index.teacher_known[done]),
            action_scale=torch.from_numpy(index.scale[episode]),
        )

    def _images(self, camera: str, seen: np.ndarray) -> torch.Tensor:
        images = np.empty((*seen.shape, *self._index.cameras[camera], 3), np.uint8)
        for row, steps in zip(images, seen, strict=True):
            for place, step in enumerate(steps):
                # In front of an episode its first step repeats: it is decoded once.
                again = place and steps[place - 1] == step
                row[place] = row[place - 1] if again else self._files.image(camera, int(step))
        return torch.from_numpy(images)


class Loader:
    """An endless stream of batches of one process of a training, prepared ahead."""

    def __init__(
        self,
        assembler: Assembler,
        mixture: Mixture,
        batch_size: int,
        workers: int,
        rank: int = 0,
        ranks: int = 1,
        pin: bool = False,
    ) -> None:
        """Begin where the mixture is.

        Args:
            assembler: makes the batches.
            mixture: the order over all processes; each takes its own stretch of `batch_size` out of every
                `ranks * batch_size`.
            batch_size: of one process.
            workers: threads. At most twice as many batches are held in memory.
            rank: number of this process.
            ranks: number of processes.
            pin: whether batches lie in page-locked memory, for a GPU.
        """
        self._assembler, self._pin = assembler, pin
        self._mixture = mixture
        self._size, self._rank, self._ranks = batch_size, rank, ranks
        self._depth = 2 * workers
        self._pool = ThreadPoolExecutor(workers, "loader")
        self._ahead: deque[tuple[Future[StudentBatch], dict[str, Any]]] = deque()
        self._place = mixture.state()

    def __iter__(self) -> Iterator[StudentBatch]:
        return self

    def __next__(self) -> StudentBatch:
        while len(self._ahead) < self._depth:
            steps = self._mixture.take(self._size * self._ranks)
            mine = steps[self._rank * self._size : (self._rank + 1) * self._size]
            future = self._pool.submit(self._make, mine)
            self._ahead.append((future, self._mixture.state()))
        future, place = self._ahead.popleft()
        batch = future.result()
        self._place = place
        return batch

    def _make(self, steps: np.ndarray) -> StudentBatch:
        batch = self._assembler.batch(steps)
        return batch.pin_memory() if self._pin else batch

    def state(self) -> dict[str, Any]:
        """The place behind the last batch that was given out, for JSON."""
        return self._place

    def restore(self, state: dict[str, Any]) -> None:
        """Go on behind the batch after which `state` was asked."""
        self._drop()
        self._mixture.restore(state)
        self._place = state

    def _drop(self) -> None:
        for future, _ in self._ahead:
            future.cancel()
        self._ahead.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drop()
        self._pool.shutdown()
