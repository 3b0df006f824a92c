# SPDX-License-Identifier: Apache-2.0
"""The processes of one training: one alone, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class World:
    """This process among the others, and where it computes."""

    device: torch.device
    rank: int = 0
    ranks: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes, validates and talks."""
        return self.rank == 0

    def average(self, values: Tensor) -> Tensor:
        """Mean over all processes."""
        if self.ranks > 1:
            values = values.clone()
            dist.all_reduce(values)
            values /= self.ranks
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.ranks > 1:
            dist.barrier()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One process after the other does what is inside."""
        for _ in range(self.rank):
            self.wait()
        yield
        for _ in range(self.rank, self.ranks):
            self.wait()

    def agree(self, yes: bool) -> bool:
        """What the leading process says."""
        if self.ranks == 1:
            return yes
        decision = torch.tensor([yes], dtype=torch.int32, device=self.device)
        dist.broadcast(decision, 0)
        return bool(decision.item())


def is_started() -> bool:
    """Whether torchrun started this process."""
    return "LOCAL_RANK" in os.environ


def enter(device: str) -> World:
    """Meet the other processes.

    Args:
        device: cpu or cuda.
    """
    if not is_started():
        return World(torch.device(device))
    place = (
        torch.device(device, int(os.environ["LOCAL_RANK"]))
        if device == "cuda"
        else torch.device(device)
    )
    if device == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    return World(place, dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """Part from them."""
    if dist.is_initialized():
        dist.destroy_process_group()
