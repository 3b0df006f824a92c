# SPDX-License-Identifier: Apache-2.0
"""How fast a policy is judged: episodes per second without ROS, beside the same episodes through ROS.

    source .rldg/env.sh && python bench/evaluate.py runs/vga [--task connector/vga] [--episodes 30] [--rounds 3]

Any run will do; `./rldg launch train_rl` makes one in a minute. All ways live the same episodes, in turns, so that a
busy machine slows all alike; the best turn of each counts. The clock runs from an evaluation's first episode to its
last: what it takes to start and to film is not counted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ament_index_python.packages import get_package_prefix

from rldg_rl.evaluation.results import RecordFile

PATIENCE = 300.0
"""[s] for one evaluation"""


@dataclass(frozen=True)
class Pace:
    """Of one evaluation."""

    episodes: float
    """per second"""
    steps: float
    """per second"""


def executable(package: str, name: str) -> str:
    """Path of an installed program."""
    return str(Path(get_package_prefix(package), "lib", package, name))


def through_ros(run: Path, name: str, arguments: argparse.Namespace) -> list[str]:
    """The command of an evaluation in lockstep."""
    words = {
        **{"runs": run.parent, "name": run.name, "evaluation": name},
        **{"task": arguments.task, "episodes": arguments.episodes},
    }
    stack = executable("rldg_bringup", "stack")
    return [stack, "evaluate", *(f"{key}:={value}" for key, value in words.items())]


def directly(run: Path, name: str, arguments: argparse.Namespace, workers: int) -> list[str]:
    """The command of one without ROS."""
    return [
        *(executable("rldg_rl", "evaluator"), str(run), "--name", name, "--no-video"),
        *("--task", arguments.task, "--episodes", str(arguments.episodes)),
        *("--workers", str(workers)),
    ]


def pace(command: list[str], file: RecordFile, episodes: int) -> Pace:
    """Carry out an evaluation as far as its last episode."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        start, done = moment(process, file, 1)
        end, _ = moment(process, file, episodes)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait()
    after = file.read()[done:]
    seconds = end - start
    return Pace(len(after) / seconds, sum(record.steps for record in after) / seconds)


def moment(process: subprocess.Popen[bytes], file: RecordFile, count: int) -> tuple[float, int]:
    """When so many episodes were there, and how many were there then."""
    started = time.perf_counter()
    while (there := len(file.read())) < count:
        now = time.perf_counter()
        if now - started > PATIENCE or process.poll() not in (None, 0):
            raise SystemExit(f"{file.path}: {there} of {count} episodes; run it by hand to see why")
        time.sleep(0.01)
    return time.perf_counter(), there


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run with a policy")
    parser.add_argument("--task", default="connector/vga")
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    source, cores = arguments.run.resolve(), len(os.sched_getaffinity(0))
    ways: dict[str, Callable[[Path, str], list[str]]] = {
        "through ROS, lockstep": lambda run, name: through_ros(run, name, arguments),
        "direct, one process": lambda run, name: directly(run, name, arguments, 1),
        f"direct, {cores} processes": lambda run, name: directly(run, name, arguments, cores),
    }
    paces: dict[str, list[Pace]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        run.mkdir()
        (run / "checkpoints").symlink_to(source / "checkpoints")
        (run / "arguments.yaml").symlink_to(source / "arguments.yaml")
        for turn in range(arguments.rounds):
            for number, (way, command) in enumerate(ways.items()):
                name = f"{number}-{turn}"
                file = RecordFile(run / "evaluations" / name / "episodes.jsonl")
                paces[way].append(pace(command(run, name), file, arguments.episodes))
    best = {way: max(found, key=lambda each: each.episodes) for way, found in paces.items()}
    reference = best["through ROS, lockstep"].episodes
    print(f"{arguments.task}, {arguments.episodes} episodes, best of {arguments.rounds}\n")
    for way, found in best.items():
        print(
            f"{way:24s} {found.episodes:7.2f} episodes/s {found.steps:7.0f} steps/s"
            f" {found.episodes / reference:5.1f}x"
        )


if __name__ == "__main__":
    main()
