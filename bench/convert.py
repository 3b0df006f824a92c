# SPDX-License-Identifier: Apache-2.0
"""How fast bags become a dataset: steps per second of `convert`, beside what no converter can save.

    source .rldg/env.sh && python bench/convert.py runs/vga [...] [--rounds 5]

Any runs will do; `./rldg launch train_rl` makes one in a minute. On one core, in turns:

- floor: the MCAP files of the dataset's episodes read from front to back and nothing done with
  what is in them, plus the dataset's images encoded and nothing else;
- TFDS: the same episodes, decoded in memory, through the writer of TensorFlow Datasets, which
  encodes and writes; it reads no bags. Left out where tensorflow_datasets is not installed.

Then `convert` with two workers on two cores, their start included: how much that costs depends on how
many bags there are. What a process needs before its first bag is measured by itself and is in none of
the other figures.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.bags.bag_reader import raw_messages
from rldg_distill.conversion.options import Options
from rldg_distill.convert import Converter
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.image_codec import ImageFormat, decode, encode
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.finding import find_bags
from rldg_distill.recordings.identity import bag_name

SHARD_EPISODES = 20
"""so that two workers have about the same to do"""
ROWS = {
    "convert": "convert, one core",
    "floor": "floor, one core",
    "TFDS": "TFDS's writer, one core",
    "two": "convert, two workers",
}


class Stopwatch:
    """Adds up the time between its starts and stops."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


def convert(bags: list[Path], out: Path, workers: int) -> float:
    """Seconds of a conversion from nothing; one worker is this process."""
    watch = Stopwatch()
    options = Options(out=out, overwrite=True, workers=workers, shard_episodes=SHARD_EPISODES)
    with watch:
        Converter(options).run(bags)
    return watch.seconds


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Keep this process and those that it starts on so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def floor(dataset: Dataset, bags: dict[str, Path]) -> float:
    """Seconds to read the bags of the dataset's episodes and to encode the dataset's images."""
    image_format = ImageFormat.parse(dataset.contract.image_format)
    watch = Stopwatch()
    for split in dataset.shards:
        for episode in dataset.episodes(split):
            pictures = [decode(data) for images in episode.images.values() for data in images]
            with watch:
                for _ in raw_messages(bags[episode.metadata.bag]):
                    pass
                for picture in pictures:
                    encode(picture, image_format)
    return watch.seconds


def tfds_writer(dataset: Dataset, folder: Path) -> float:
    """Seconds in which TFDS writes the dataset's episodes; decoding them is not counted."""
    import tensorflow_datasets as tfds  # noqa: PLC0415

    features = tfds.builder_from_directory(str(dataset.folder)).info.features
    decoding = Stopwatch()

    class Plugs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, _: Any) -> dict[str, Any]:
            return {split: self._generate_examples(split) for split in dataset.shards}

        def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
            episodes = dataset.episodes(split)
            while True:
                with decoding:
                    episode = next(episodes, None)
                    example = None if episode is None else tfds_example(episode)
                if example is None:
                    return
                yield episode.metadata.bag, example

    tfds.disable_progress_bar()
    whole = Stopwatch()
    with whole:
        builder = Plugs(data_dir=str(folder))
        builder.download_and_prepare()
    written = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert written == dataset.lengths, written
    return whole.seconds - decoding.seconds


def tfds_example(episode: Episode) -> dict[str, Any]:
    """An episode as a TFDS builder yields it, images as arrays."""
    images = {name: [decode(data) for data in files] for name, files in episode.images.items()}
    steps = [
        {
            "observation": {name: images[name][i] for name in images} | {"state": episode.state[i]},
            "action": episode.action[i],
            "language_instruction": episode.instruction[i],
            "reward": episode.reward[i],
            "discount": episode.discount[i],
            "is_first": episode.is_first[i],
            "is_last": episode.is_last[i],
            "is_terminal": episode.is_terminal[i],
            "teacher": {
                "mean": episode.teacher_mean[i],
                "log_std": episode.teacher_log_std[i],
                "version": episode.teacher_version[i],
            },
            "executed_by": episode.executed_by[i],
            "stamp": {"image": episode.image_stamp[i], "state": episode.state_stamp[i]},
        }
        for i in range(len(episode))
    ]
    metadata = vars(episode.metadata) | {"seed": np.uint64(episode.metadata.seed)}
    return {"steps": steps, "episode_metadata": metadata}


def start_up() -> float:
    """Seconds of a process that imports everything and converts nothing."""
    watch = Stopwatch()
    command = [sys.executable, "-m", "rldg_distill.convert", "--help"]
    with watch:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return watch.seconds


def best_and_median(times: list[float]) -> tuple[float, float]:
    """Of the turns."""
    return min(times), statistics.median(times)


def measure(work: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of everything, in turns, so that a busy machine slows all alike; the first turn warms up."""
    turns: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 + rounds):
        for name, seconds in work.items():
            with on_cores(2 if name == "two" else 1):
                turns[name].append(seconds())
    return {name: times[1:] for name, times in turns.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bags", nargs="+", type=Path, help="bags, folders of bags, or runs")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_convert_") as name:
        folder = Path(name)
        convert(arguments.bags, folder / "plugs", 1)
        dataset = Dataset(folder / "plugs")
        bags = {bag_name(path): path for path in find_bags(arguments.bags).bags}
        work: dict[str, Callable[[], float]] = {
            "convert": lambda: convert(arguments.bags, folder / "again", 1),
            "floor": lambda: floor(dataset, bags),
            "start": start_up,
        }
        if importlib.util.find_spec("tensorflow_datasets"):
            work["TFDS"] = lambda: tfds_writer(dataset, Path(tempfile.mkdtemp(dir=folder)))
        if len(os.sched_getaffinity(0)) > 1:
            work["two"] = lambda: convert(arguments.bags, folder / "again", 2)
        turns = measure(work, arguments.rounds)
        steps = sum(len(e) for split in dataset.shards for e in dataset.episodes(split))
    episodes = sum(dataset.lengths.values())
    print(f"{episodes} episodes, {steps} steps, images {dataset.contract.image_format}")
    print(f"{'steps/s':28}{'best':>8}{'median':>8}   convert on one core is")
    ours = best_and_median(turns["convert"])
    for name, label in ROWS.items():
        if name not in turns:
            print(f"{label:28} left out")
            continue
        found = best_and_median(turns[name])
        rates = "".join(f"{steps / seconds:8.0f}" for seconds in found)
        ratios = ", ".join(f"{f / o:.2f}" for f, o in zip(found, ours, strict=True))
        print(f"{label:28}{rates}   {ratios} times as fast")
    print("start of a process: {:.2f} s, median {:.2f} s".format(*best_and_median(turns["start"])))
    print(json.dumps({name: [round(t, 3) for t in times] for name, times in turns.items()}))


if __name__ == "__main__":
    main()
