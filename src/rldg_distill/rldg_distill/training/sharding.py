# SPDX-License-Identifier: Apache-2.0
"""Weights, gradients and optimiser state of a student divided among the processes (Zhao et al. 2023, arXiv:2304.11277).

Every process holds a slice of each tensor. A unit's weights are whole while it computes, and only then.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import (
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from rldg_distill.students.student import Student
from rldg_distill.training.distributed import World


def shard(student: Student, mesh: DeviceMesh, bf16: bool) -> None:
    """Divide a student, unit by unit, so that no device of the mesh ever holds all of it.

    It then computes in all processes together: who calls it or its `predict` has to do so in each of them. What it
    computes with may be bfloat16; what is trained is kept in float32, for in bfloat16 small updates are lost.

    Args:
        student: in main memory.
        mesh: of all processes.
        bf16: weights meet in bfloat16.

    Raises:
        StudentError: it cannot be divided.
    """
    student.written_as = {name: tensor.dtype for name, tensor in student.kept().items()}
    policy = MixedPrecisionPolicy()
    if bf16:
        # Inputs are left to autocast: it knows which operations need float32.
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for unit in (*student.units(), student):
        _raise_precision(unit)
        # The outermost too: what a validation has gathered would be used, stale, in the next update.
        fully_shard(unit, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
    register_fsdp_forward_method(student, "predict")


def _raise_precision(unit: nn.Module) -> None:
    for parameter in unit.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()


def undivided(tensor: Tensor) -> Tensor:
    """The whole of a tensor that is divided, or the tensor. Every process has to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tensors: Mapping[str, Tensor], world: World) -> dict[str, Tensor]:
    """Tensors undivided, in the leading process's main memory; the others get none. Every process has to ask."""
    found = {}
    for name, tensor in tensors.items():
        full = undivided(tensor.detach())
        if world.leads:
            found[name] = full.cpu()
    return found


def divided_as(full: Tensor, like: Tensor) -> Tensor:
    """A whole tensor that every process has, divided as another is; as it is where that is whole."""
    if not isinstance(like, DTensor):
        return full
    full = full.to(like.device)
    return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=None)
