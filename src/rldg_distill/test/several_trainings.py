# SPDX-License-Identifier: Apache-2.0
"""Several trainings one after the other in the same processes, which torchrun starts: starting them takes longest.

    torchrun --nproc-per-node=2 several_trainings.py <file with a JSON list of command lines of distill>

Each process leaves `memory_<its number>.json` in a run's folder: the bytes that it holds, and its peak so far.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from torch import Tensor
from torch.distributed.tensor import DTensor

from rldg_distill import distill
from rldg_distill.distill import Display, TrainingJob
from rldg_distill.training import distributed
from rldg_distill.training.distributed import World
from rldg_distill.training.trainer import Trainer
from rldg_distill.training.training_data import open_data


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of them in this process."""
    local = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
    return sum(tensor.numel() * tensor.element_size() for tensor in local)


def memory(trainer: Trainer) -> dict[str, int]:
    """Bytes of weights and of what the optimiser remembers, and the process's peak."""
    moments = [value for state in trainer.optimizer.state.values() for value in state.values()]
    return {
        "parameters": size(trainer.student.parameters()),
        "optimizer": size(moments),
        "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def train(job: TrainingJob, world: World) -> None:
    """One of them."""
    data = open_data(job.data)
    student = distill.make_student(job, data, world)
    with job.run.claimed() if world.leads else nullcontext():
        display = Display(Console(stderr=True), world)
        trainer = distill.train(job, data, student, world, display)
    found = json.dumps(memory(trainer))
    (job.run.path / f"memory_{world.rank}.json").write_text(found)


def main() -> None:
    """All of them."""
    world = distributed.enter("cpu")
    for arguments in json.loads(Path(sys.argv[1]).read_text()):
        train(distill.parse(arguments), world)
    distributed.leave()


if __name__ == "__main__":
    main()
