# SPDX-License-Identifier: Apache-2.0
"""Octo-base and OpenVLA-7B on a GPU: how fast, in how much memory, at which share of the chip's matrix throughput.

    ./.venv/bin/python bench/large_students.py [--seconds 20] [--octo-batch 64] [--openvla-batch 8]
    ./.venv/bin/python bench/large_students.py --device cpu --size tiny     # the same on a processor, small

Random weights, drawn on the device: no checkpoint is needed, and main memory holds none. Octo sees one camera of 256
pixels, is drawn in float32 and trained whole. OpenVLA sees one image, is drawn in bfloat16 as its checkpoint is, and
has adapters of rank 32, which alone are trained. A GPU computes in bfloat16 (autocast), a processor in float32.

An inference is one moment: 20 steps of diffusion, or seven tokens. A training step is forward, backward and AdamW.
Images are on the device already, instructions encoded. Operations of matrix products, convolutions and attention are
counted while they run, and the peak is what one large matrix product reaches in the same run and number type. The
fastest turn of each is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rldg_distill.students.octo import config as octo
from rldg_distill.students.octo.octo import Octo, OctoInputs
from rldg_distill.students.openvla import config as openvla
from rldg_distill.students.openvla import lora
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.students.openvla.targets import divergence, hard
from rldg_distill.students.openvla.tokens import Prompts

ACTION_DIM = 7
PROMPT = 24
"""tokens of an instruction of ten words, with what is around it"""
SIDES = {"cuda": 8192, "cpu": 1024}
"""of the square matrices whose product is the peak"""


class Subject(Protocol):
    """A student that is measured."""

    batch: int
    """samples in a training step"""

    def inference(self) -> object:
        """Actions of one moment."""

    def loss(self) -> Tensor:
        """Of a batch."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All of them."""


class OctoSubject:
    """Octo, trained whole."""

    def __init__(self, size: str, batch: int, device: torch.device) -> None:
        self.batch = batch
        config = octo.SIZES[size]
        side = min(256, config.images["primary"])
        config = replace(config, images={"primary": side}, state_dim=0)
        with device:
            self.octo = Octo(config)
            self.one, self.many = self._inputs(config, 1), self._inputs(config, batch)
            self.action = torch.zeros(batch, 1, config.chunk, config.action_dim)
            self.mask = torch.ones(batch, 1, config.chunk, dtype=torch.bool)
        self.parameters = self.octo.parameters

    @staticmethod
    def _inputs(config: octo.OctoConfig, batch: int) -> OctoInputs:
        side = config.images["primary"]
        return OctoInputs(
            images={"primary": torch.randint(256, (batch, 1, side, side, 3), dtype=torch.uint8)},
            step_mask=torch.ones(batch, 1, dtype=torch.bool),
            language=torch.randn(batch, config.language_tokens, config.language_width),
            language_mask=torch.ones(batch, dtype=torch.bool),
        )

    def inference(self) -> Tensor:
        """20 steps of diffusion."""
        return self.octo.head.sample(self.octo(self.one)[:, -1].float())

    def loss(self) -> Tensor:
        """Squared error of the noise told."""
        embedding = self.octo(self.many).float()
        drawn = self.octo.head.sample_time_and_noise(embedding)
        return self.octo.head.loss(embedding, self.action, self.mask, *drawn)


class OpenVLASubject:
    """OpenVLA with adapters of rank 32, not merged: as it is trained, and as its student acts."""

    def __init__(self, size: str, batch: int, device: torch.device) -> None:
        self.batch = batch
        config = openvla.SIZES[size]
        with device, _weights_in(number_type(device)):
            self.model = OpenVLA(config).to(device)
        self.parameters = lora.add(self.model, lora.LoraSettings(rank=32)).parameters
        tokens, side = self.model.tokens, config.image_size
        with device:
            self.pixels = torch.randn(batch, 1, 6, side, side, dtype=number_type(device))
            self.ids = torch.randint(3, tokens.first, (batch, PROMPT))
            self.actions = torch.randint(tokens.first, tokens.vocabulary, (batch, ACTION_DIM))

    def _prompts(self, count: int) -> Prompts:
        ids = self.ids[:count]
        return Prompts(ids, torch.ones_like(ids, dtype=torch.bool))

    def inference(self) -> Tensor:
        """Seven tokens, one after the other."""
        return self.model.predict_action(self.pixels[:1], self._prompts(1), ACTION_DIM)

    def loss(self) -> Tensor:
        """Cross-entropy of the action tokens."""
        logits = self.model.logits(self.pixels, self._prompts(self.batch), self.actions)[:, :-1]
        return divergence(logits, hard(self.model.tokens, self.actions), self.model.tokens).mean()


def number_type(device: torch.device) -> torch.dtype:
    """What a device computes in here."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


@contextmanager
def _weights_in(dtype: torch.dtype) -> Iterator[None]:
    """Modules are made in a number type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Turns:
    """What is measured of a student."""

    def __init__(self, subject: Subject, device: torch.device) -> None:
        self.subject, self.device = subject, device
        moved = [parameter for parameter in subject.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(moved, 1e-5, fused=True)

    def _autocast(self) -> torch.autocast:
        enabled = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    @torch.inference_mode()
    def inference(self) -> None:
        """One moment."""
        with self._autocast():
            self.subject.inference()

    def training(self) -> None:
        """One step of the optimiser."""
        with self._autocast():
            loss = self.subject.loss()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def wait(device: torch.device) -> None:
    """Until a device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fastest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Seconds of the shortest of many calls, three at least, after one that warms up."""
    work()
    found: list[float] = []
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(found) < 3:
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        found.append(time.perf_counter() - start)
    return min(found)


def operations(work: Callable[[], object]) -> int:
    """Additions and multiplications of a call. Attention is written out, so that no kernel of it goes uncounted."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def matrix_peak(device: torch.device) -> float:
    """Operations per second of a large matrix product."""
    side = SIDES[device.type]
    one, other = torch.randn(2, side, side, device=device, dtype=number_type(device))
    return 2 * side**3 / fastest(lambda: one @ other, device, 2.0)


def measured(
    work: Callable[[], object], device: torch.device, seconds: float, peak: float
) -> dict[str, Any]:
    """Of one kind of turn."""
    count = operations(work)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    shortest = fastest(work, device, seconds)
    memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None
    return {
        "seconds": shortest,
        "giga_operations": count / 1e9,
        "share_of_peak": count / shortest / peak,
        "peak_memory_gb": memory,
    }


def show(name: str, batch: int, found: dict[str, dict[str, Any]]) -> None:
    """A table, and its numbers as JSON."""
    for what, numbers in found.items():
        per_turn, unit = (1, "Hz") if what == "inference" else (batch, f"samples/s of {batch}")
        memory = numbers["peak_memory_gb"]
        print(
            f"{name:10}{what:11}{per_turn / numbers['seconds']:9.2f} {unit:17}"
            f"{numbers['giga_operations']:11.2f} GFLOP{100 * numbers['share_of_peak']:7.1f} % of peak"
            + ("" if memory is None else f"{memory:9.2f} GB")
        )
    print(json.dumps({name: {"batch": batch, **found}}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--size", default="large", choices=("large", "tiny"), help="of both")
    parser.add_argument("--seconds", type=float, default=20.0, help="wall time of each figure [s]")
    parser.add_argument("--octo-batch", type=int, default=64, help="samples of a training step")
    parser.add_argument("--openvla-batch", type=int, default=8, help="samples of a training step")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no GPU that torch can use: --device cpu --size tiny")
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    peak = matrix_peak(device)
    print(f"{chip}, torch {torch.__version__}: {peak / 1e12:.2f} TFLOP/s in {number_type(device)}")
    large = arguments.size == "large"
    makers: dict[str, Callable[[], Subject]] = {
        "octo": lambda: OctoSubject("base" if large else "tiny", arguments.octo_batch, device),
        "openvla": lambda: OpenVLASubject(
            "7b" if large else "tiny", arguments.openvla_batch, device
        ),
    }
    for name, make in makers.items():
        subject = make()
        turns = Turns(subject, device)
        found = {
            what: measured(work, device, arguments.seconds, peak)
            for what, work in (("inference", turns.inference), ("training", turns.training))
        }
        show(name, subject.batch, found)
        del subject, turns  # the next one needs the room


if __name__ == "__main__":
    main()
