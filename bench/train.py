# SPDX-License-Identifier: Apache-2.0
"""Control steps per second of a training, through ROS and in one process, on the same single core.

    ./.venv/bin/python bench/train.py [--task connector/vga] [--steps 600] [--core 0] [--out runs/bench_train]

Both trainings are started as people start them, one after the other, and bound to one core. Counted are the training
steps from the 150th on, by when every step brings its updates, and those of the demonstrations, which bring none;
from closed episode to closed episode. Beside the wall's time it reports
the processor's, which other programs on the core hardly change. Then the direct training runs once more with a clock
on its parts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_prefix

from rldg_core.vocabulary import Source
from rldg_rl.agent.learner import Learner
from rldg_rl.direct.body import PublishingRobot
from rldg_rl.direct.direct_run import DirectRun, LearnerBeginning
from rldg_rl.direct.recorder import DirectRecorder
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.run_folder import RunFolder
from rldg_robot.person.operator_duty import OperatorDuty
from rldg_robot.simulation.twin import Twin

DEMONSTRATIONS = 5
COUNTED_FROM = 150
"""training steps"""
PHASES = {
    "without updates": (Source.DEMONSTRATION, 1),
    "with updates": (Source.POLICY, COUNTED_FROM),
}
"""source of the episodes that are counted, and steps of it from which on"""
LOOK_SECONDS = 0.5
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = {
    "updates of the learner": (Learner, "update"),
    "physics of the twin": (Twin, "step"),
    "wrist image": (Twin, "image"),
    "messages of a moment": (PublishingRobot, "_advance"),
    "serialising": (DirectRecorder, "_write"),
    "compressing and writing": (DirectRecorder, "_flush"),
    "operator": (OperatorDuty, "_act"),
    "policy": (LivePolicy, "act"),
}
"""each without those that it calls"""


@dataclass(frozen=True)
class Moment:
    """How far a training was at some time."""

    steps: int
    wall: float
    """[s]"""
    processor: float
    """[s] of all its processes"""


def trained(transport: str, given: argparse.Namespace) -> dict[str, list[Moment]]:
    """Moments of a training, by phase: after each episode that was seen to be closed."""
    run = RunFolder((given.out / transport).absolute())
    words = {"task": given.task, "name": run.path.name, "runs": run.path.parent}
    words |= {"transport": transport, "steps": given.steps, "demos": DEMONSTRATIONS, "episodes": 1}
    words |= {"video": "false"}
    stack = Path(get_package_prefix("rldg_bringup"), "lib", "rldg_bringup", "stack")
    bound = ("taskset", "--cpu-list", str(given.core))
    process = subprocess.Popen(
        [*bound, str(stack), "train_rl", *(f"{name}:={value}" for name, value in words.items())],
        stdout=subprocess.DEVNULL,
    )
    moments: dict[str, list[Moment]] = {phase: [] for phase in PHASES}
    while process.poll() is None:
        time.sleep(LOOK_SECONDS)
        for phase, (source, least) in PHASES.items():
            steps, seen = recorded_steps(run, source), moments[phase]
            if steps >= least and (not seen or steps > seen[-1].steps):
                seen.append(Moment(steps, time.monotonic(), processor_seconds(process.pid)))
    if process.returncode or not all(map(len, moments.values())):
        sys.exit(f"the training through {transport} ended with {process.returncode}")
    return moments


def recorded_steps(run: RunFolder, source: str) -> int:
    """Steps of a source in closed bags."""
    if not run.bags.is_dir():
        return 0
    return sum(episode.steps for episode in run.episodes() if episode.source == source)


def processor_seconds(root: int) -> float:
    """Of a process and all below it."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended
            continue
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = {root}
    while new := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= new
    return sum(ticks.get(pid, 0) for pid in family) / TICKS


@contextmanager
def clocked(spent: dict[str, float]) -> Iterator[None]:
    """Measures the processor's time of PARTS, each without those that it calls."""
    inner: list[float] = [0.0]

    def on_clock(label: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            inner.append(0.0)
            try:
                return method(*arguments, **named)
            finally:
                whole = time.process_time() - began
                spent[label] += whole - inner.pop()
                inner[-1] += whole

        return timed

    before = {label: getattr(owner, name) for label, (owner, name) in PARTS.items()}
    for label, (owner, name) in PARTS.items():
        setattr(owner, name, on_clock(label, before[label]))
    try:
        yield
    finally:
        for label, (owner, name) in PARTS.items():
            setattr(owner, name, before[label])


def profile(given: argparse.Namespace) -> None:
    """A line for each part of a direct training from COUNTED_FROM on."""
    os.sched_setaffinity(0, {given.core})
    parameters = ActorParameters(
        mode="train",
        task=given.task,
        run=str((given.out / "profile").absolute()),
        demos=DEMONSTRATIONS,
        steps=COUNTED_FROM,
        episodes=1,
        video=False,
        real=False,
    )
    DirectRun(parameters, LearnerBeginning()).live()
    # The evaluation of the shorter run would end the training of the longer one.
    for bag in RunFolder(Path(parameters.run)).own_bags():
        if bag.name.startswith(Source.EVALUATION):
            for file in bag.iterdir():
                file.unlink()
            bag.rmdir()
    RunFolder(Path(parameters.run)).records.unlink()
    longer = ActorParameters(**{**vars(parameters), "steps": given.steps})
    run = DirectRun(longer, LearnerBeginning())
    assert run.learner is not None
    run.learner.work()
    before = recorded_steps(run.run, Source.POLICY)
    spent: dict[str, float] = defaultdict(float)
    began = time.process_time()
    with clocked(spent):
        run.loop.state.start()
        while run.loop.state.progress.source == Source.POLICY:
            run.loop._next_episode(Source.POLICY)
    whole = time.process_time() - began
    steps = recorded_steps(run.run, Source.POLICY) - before
    run.close()
    spent["all else"] = whole - sum(spent.values())
    print(f"\n{steps} steps, {1000 * whole / steps:.1f} ms of the processor each:")
    for label, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {label:26}{1000 * seconds / steps:6.2f} ms {100 * seconds / whole:5.1f} %")


def main() -> None:
    """Train twice, print, profile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="connector/vga", help="family/variant")
    parser.add_argument("--steps", type=int, default=600, help="training steps (600)")
    parser.add_argument("--core", type=int, default=0, help="that all of it runs on (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/bench_train"), help="a new folder")
    given = parser.parse_args()
    if given.out.exists():
        sys.exit(f"{given.out} is there already: give another --out")
    rates: dict[tuple[str, str], tuple[float, float]] = {}
    for transport in ("direct", "ros"):
        for phase, moments in trained(transport, given).items():
            steps = moments[-1].steps - moments[0].steps
            wall = steps / (moments[-1].wall - moments[0].wall)
            processor = steps / (moments[-1].processor - moments[0].processor)
            rates[transport, phase] = wall, processor
            print(
                f"{transport:8}{phase:17}{steps:5} steps: {wall:6.1f} steps/s of the wall, "
                f"{processor:6.1f} steps/s of the processor",
                flush=True,
            )
    for phase in PHASES:
        pairs = zip(rates["direct", phase], rates["ros", phase], strict=True)
        wall, processor = (direct / ros for direct, ros in pairs)
        print(
            f"{phase}: direct is {wall:.1f} x as fast by the wall, {processor:.1f} x by the processor"
        )
    profile(given)


if __name__ == "__main__":
    main()
