# SPDX-License-Identifier: Apache-2.0
"""How fast batches come out of a dataset, beside TensorFlow Datasets on the same files.

    ./.venv/bin/python bench/loader.py data/<name> [--tfds PYTHON] [--batch 64] [--workers 1] [--seconds 5]

Samples per second by the clock, and per second of the processor, which does not see the rest of the machine; the best
of three turns each. `cached` is behind the first epoch of a dataset that fits into `--cache`. `--tfds` names a Python
that has tensorflow and tensorflow_datasets.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

from rldg_distill.datasets.mixture import Mixture
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.datasets.step_index import StepIndex
from rldg_distill.training.loader import Assembler, Loader

TURNS = 3
Turn = tuple[float, float]
"""samples per second by the clock, and per second of the processor"""


def ours(data: Path, batch: int, seconds: int, workers: int, room: int = 0) -> Turn:
    """The loader of `distill`: window 1, chunk 4, and room for decoded images [bytes]."""
    index = StepIndex([Dataset(data)], "train")
    mixture = Mixture(index.sizes, None, 0)
    with Loader(Assembler(index, ["image"], 1, 4, room), mixture, batch, workers) as loader:
        for _ in range(5 + (len(index) // batch if room else 0)):
            next(loader)
        count, start, used = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < seconds:
            next(loader)
            count += batch
        return count / (time.perf_counter() - start), count / (time.process_time() - used)


def theirs(python: str, data: Path, batch: int, seconds: int, workers: int) -> Turn:
    """TensorFlow Datasets."""
    script = Path(__file__).with_name("tfds_loader.py")
    numbers = map(str, (batch, seconds, workers))
    done = subprocess.run(
        [python, script, str(Dataset(data).folder), *numbers],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    wall, processor = json.loads(done.stdout)
    return 1 / wall, 1 / processor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="data/<name>")
    parser.add_argument("--tfds", help="Python with tensorflow_datasets")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1, help="threads of either")
    parser.add_argument("--seconds", type=int, default=5, help="of a turn")
    given = parser.parse_args()
    settings = (given.data, given.batch, given.seconds, given.workers)
    turns: dict[str, list[Turn]] = {}
    for _ in range(TURNS):
        turns.setdefault("ours", []).append(ours(*settings))
        turns.setdefault("cached", []).append(ours(*settings, room=1 << 30))
        if given.tfds:
            turns.setdefault("tfds", []).append(theirs(given.tfds, *settings))
    print(f"batch {given.batch}, {given.workers} threads")
    print(f"{'':8}{'samples/s':>12}{'per core-second':>18}")
    for name, found in turns.items():
        wall, processor = max(t[0] for t in found), max(t[1] for t in found)
        print(f"{name:8}{wall:12.0f}{processor:18.0f}")


if __name__ == "__main__":
    main()
