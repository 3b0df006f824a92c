# SPDX-License-Identifier: Apache-2.0
"""How fast the students are, beside what they stand for.

    ./.venv/bin/python bench/students.py [--octo PYTHON] [--seconds 60] [--batch 4]

Octo-small with one camera, window 1 and random weights: inference of one moment (20 steps of diffusion) and a step of
training with AdamW. `--octo` names a Python that can import the original (see bench/original_octo.py), OCTO_PATH is its
PYTHONPATH. It is measured in turns with ours, with T5 run at every call, as it does, and without. Printed is the
fastest turn of each, for what else runs on the machine only slows: by the clock, and by the time of the processor.
Behind `taskset -c 0` one core is compared with one core, and the latter does not see the rest of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from rldg_distill.students.octo.config import SIZES
from rldg_distill.students.octo.octo import Octo, OctoInputs

Turn = tuple[float, float]
"""seconds by the clock, and of the processor"""


class OurOcto:
    """Octo-small as a student has it: instructions were encoded once."""

    def __init__(self, batch: int) -> None:
        config = replace(SIZES["small"], images={"primary": 256})
        self.octo = Octo(config)
        self.one, self.many = self._example(1), self._example(batch)
        self.action = torch.zeros(batch, 1, 4, 7)
        self.optimizer = torch.optim.AdamW(self.octo.parameters(), 3e-4, fused=True)

    @staticmethod
    def _example(batch: int) -> OctoInputs:
        return OctoInputs(
            images={"primary": torch.zeros(batch, 1, 256, 256, 3, dtype=torch.uint8)},
            step_mask=torch.ones(batch, 1, dtype=torch.bool),
            language=torch.zeros(batch, 16, 768),
            language_mask=torch.ones(batch, dtype=torch.bool),
        )

    @torch.inference_mode()
    def inference(self) -> None:
        """Actions of one moment."""
        self.octo.head.sample(self.octo(self.one)[:, -1])

    def training(self) -> None:
        """One step of the optimiser."""
        embedding = self.octo(self.many)
        mask = torch.ones(self.action.shape[:-1], dtype=torch.bool)
        loss = self.octo.head.loss(embedding, self.action, mask, *self.octo.head.draw(embedding))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class Original:
    """Another Python that has the original Octo, asked for one turn at a time."""

    def __init__(self, python: str, batch: int) -> None:
        script = Path(__file__).with_name("original_octo.py")
        # This shell's ROS packages are not for that Python.
        environment = {**os.environ, "PYTHONPATH": os.environ.get("OCTO_PATH", "")}
        self.process = subprocess.Popen(
            [python, str(script), "--batch", str(batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, what: str) -> Turn:
        """One turn."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(what, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the original Octo ended; what it said is above")
        wall, cpu = map(float, answer.split())
        return wall, cpu


def timed(work: Callable[[], None]) -> Turn:
    """One turn."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octo", metavar="PYTHON", help="interpreter that has the original Octo")
    parser.add_argument("--seconds", type=float, default=60.0, help="wall time to measure [s]")
    parser.add_argument("--batch", type=int, default=4, help="samples in a training step")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    ours = OurOcto(arguments.batch)
    turns: dict[str, Callable[[], Turn]] = {
        "inference": lambda: timed(ours.inference),
        "training": lambda: timed(ours.training),
    }
    if arguments.octo:
        original = Original(arguments.octo, arguments.batch)
        for what in ("inference", "training", "inference t5", "training t5"):
            turns[f"{what}, original"] = partial(original.ask, what)
    for turn in turns.values():
        turn()  # compiles and allocates
    found: dict[str, list[Turn]] = {name: [] for name in turns}
    stop = time.perf_counter() + arguments.seconds
    while time.perf_counter() < stop or len(found["training"]) < 3:
        for name, turn in turns.items():
            found[name].append(turn())
    print(f"Octo-small, {torch.get_num_threads()} threads, training on {arguments.batch} samples")
    print(f"{'':24}{'clock':>10}{'x ours':>8}{'processor':>12}{'x ours':>8}")
    fastest = {
        name: [min(column) for column in zip(*turns, strict=True)] for name, turns in found.items()
    }
    for name, (wall, cpu) in fastest.items():
        our_wall, our_cpu = fastest[name.split(",")[0].split()[0]]
        print(f"{name:24}{wall:8.3f} s{wall / our_wall:8.2f}{cpu:10.3f} s{cpu / our_cpu:8.2f}")
    print(json.dumps({name: [round(n, 4) for n in numbers] for name, numbers in fastest.items()}))


if __name__ == "__main__":
    main()
