# SPDX-License-Identifier: Apache-2.0
"""The Llama's weights in 8 or 4 bits through bitsandbytes, for GPUs with little memory.

The projections of the Llama's layers, 6.5 of 7.5 billion weights, are quantised; towers, projector, embeddings and
output stay as they are. LoRA on top of them is QLoRA (Dettmers et al. 2023, arXiv 2305.14314).
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import nn

from rldg_distill.students.card import StudentError
from rldg_distill.students.openvla.model import OpenVLA

BITS = (4, 8)


def library() -> ModuleType:
    """bitsandbytes, an optional package, on a machine with a GPU.

    Raises:
        StudentError: one of them is missing.
    """
    if not torch.cuda.is_available():
        raise StudentError(
            "8- and 4-bit weights need an NVIDIA GPU, and torch sees none: quantize 0"
        )
    try:
        import bitsandbytes  # noqa: PLC0415 - optional
    except ImportError as error:
        raise StudentError(
            "8- and 4-bit weights need bitsandbytes: pip install bitsandbytes, or quantize 0"
        ) from error
    return bitsandbytes


def quantize(model: OpenVLA, bits: int) -> None:
    """Puts the model on the GPU with the Llama's layers in few bits, one layer at a time; before adapters are added.

    Args:
        model: with real weights, on the CPU.
        bits: 4 (nf4, computing in bfloat16) or 8 (LLM.int8).

    Raises:
        StudentError: bitsandbytes or the GPU is missing.
    """
    bnb = library()
    device = torch.device("cuda", torch.cuda.current_device())
    replace_linear(model, bits, bnb, device)
    model.to(device)


def replace_linear(model: OpenVLA, bits: int, bnb: ModuleType, device: torch.device) -> None:
    """Exchanges every linear layer inside the Llama's decoder layers and moves the new one to the device."""
    layers = model.language_model.model.layers
    found = [
        (name, module) for name, module in layers.named_modules() if isinstance(module, nn.Linear)
    ]
    for name, linear in found:
        owner, _, leaf = name.rpartition(".")
        setattr(layers.get_submodule(owner), leaf, _quantized(linear, bits, bnb).to(device))
    setattr(model, f"is_loaded_in_{bits}bit", True)  # what peft asks for


def _quantized(linear: nn.Linear, bits: int, bnb: ModuleType) -> nn.Module:
    """The same layer in few bits; bitsandbytes does the arithmetic when it is moved to its device."""
    sizes = (linear.in_features, linear.out_features)
    if bits == 4:
        small = bnb.nn.Linear4bit(
            *sizes, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4", device="meta"
        )
        small.weight = bnb.nn.Params4bit(
            linear.weight.data, requires_grad=False, quant_type="nf4", module=small
        )
    else:
        small = bnb.nn.Linear8bitLt(*sizes, bias=False, has_fp16_weights=False, device="meta")
        small.weight = bnb.nn.Int8Params(
            linear.weight.data, requires_grad=False, has_fp16_weights=False
        )
    module: nn.Module = small
    return module
