# SPDX-License-Identifier: Apache-2.0
"""How fast the students are, beside what they stand for.

    ./.venv/bin/python bench/students.py [--octo PYTHON] [--seconds 60] [--batch 4]

Octo-small with one camera, window 1 and random weights: inference of one moment (20 steps of diffusion) and a step of
training with AdamW. `--octo` names a Python that can import the original (see bench/original_octo.py), OCTO_PATH is its
PYTHONPATH. It is measured in turns with ours, with T5 run at every call, as it does, and without. The fastest turn of
each is printed, for what else runs on the machine only slows. `taskset -c 0` in front compares one core with one core.

OpenVLA `tiny` with random weights: seven tokens of one image, and a step of training, beside the same layers written
naively (see bench/naive_openvla.py).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import naive_openvla
import torch
from peer import Peer

from rldg_distill.students.octo.config import SIZES
from rldg_distill.students.octo.octo import Octo, OctoInputs


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
        loss = self.octo.head.loss(
            embedding, self.action, mask, *self.octo.head.sample_time_and_noise(embedding)
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(turns: dict[str, Callable[[], float]], seconds: float) -> dict[str, float]:
    """Shortest time of each, one after the other until the time is up, three rounds at least."""
    for turn in turns.values():
        turn()  # compiles and allocates
    found: dict[str, list[float]] = {name: [] for name in turns}
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(found["training"]) < 3:
        for name, turn in turns.items():
            found[name].append(turn())
    return {name: min(times) for name, times in found.items()}


def show(what: str, fastest: dict[str, float]) -> None:
    """A table, and its numbers as JSON."""
    print(f"{what}, {torch.get_num_threads()} threads")
    for name, seconds in fastest.items():
        ratio = seconds / fastest[name.split(",")[0].split()[0]]
        print(f"{name:24}{1e3 * seconds:10.1f} ms{ratio:8.2f} x ours")
    print(json.dumps({name: round(seconds, 4) for name, seconds in fastest.items()}))


def octo(batch: int, python: str | None) -> dict[str, Callable[[], float]]:
    """What is timed of Octo."""
    ours = OurOcto(batch)
    turns: dict[str, Callable[[], float]] = {
        "inference": partial(timed, ours.inference),
        "training": partial(timed, ours.training),
    }
    if python:
        original = Peer(python, "original_octo.py", "OCTO_PATH", f"--batch={batch}")
        for what in ("inference", "training", "inference t5", "training t5"):
            turns[f"{what}, original"] = partial(original.ask, what)
    return turns


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octo", metavar="PYTHON", help="interpreter that has the original Octo")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="wall time to measure each student [s]"
    )
    parser.add_argument("--batch", type=int, default=4, help="samples in a training step")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    batch = arguments.batch
    fastest = measure(octo(batch, arguments.octo), arguments.seconds)
    show(f"Octo-small, training on {batch} samples", fastest)
    openvla = {name: partial(timed, work) for name, work in naive_openvla.turns(batch).items()}
    fastest = measure(openvla, arguments.seconds)
    show(f"OpenVLA tiny, training on {batch} samples", fastest)


if __name__ == "__main__":
    main()
