# SPDX-License-Identifier: Apache-2.0
"""An ensemble of multilayer perceptrons as one batched network with its own backward pass.

At RLPD's batch sizes a CPU spends half of a plain update outside of matrix products: on many small
operations, on autograd's bookkeeping and on fresh memory. So all members go through each layer in
one batched product, all weights lie in one flat vector (one optimiser call, one call to move a
target network), and the backward pass is written out and works in place: a forward pass leaves
what it takes on a `Tape` that is used again and again. `input_gradient` is where an image
encoder under autograd goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from rldg_rl.agent.policy import LAYER_NORM_EPSILON

HEAD_SCALE = 0.1
"""The head starts small: a fresh critic's values would otherwise be as large as the sparse reward of 1, and must
first be unlearned. On connector/vga, 1,000 steps then lead to success in every episode instead of over 4,000."""


@dataclass(frozen=True)
class _Layer:
    """One layer's weights, or their gradients; views into the flat vector."""

    weight: Tensor
    """(members, in, out)"""
    bias: Tensor
    """(members, 1, out)"""
    scale: Tensor
    """(members, 1, out) of the layer norm; empty in the head"""
    shift: Tensor
    """(members, 1, out) likewise"""


@dataclass(frozen=True)
class _Activations:
    """What a hidden layer's backward pass needs."""

    normalised: Tensor
    """(members, rows, width) before the layer norm's scale and shift"""
    inverse_std: Tensor
    """(members, rows, 1)"""
    output: Tensor
    """(members, rows, width)"""
    gradient: Tensor
    """(members, rows, width) scratch for the backward pass"""
    scratch: Tensor
    """(members, rows, width) likewise"""


@dataclass
class Tape:
    """The memory of one forward pass; from `StackedMLP.tape`. The next pass overwrites it."""

    hidden: list[_Activations]
    input: Tensor
    """(members, rows, input)"""
    output: Tensor
    """(members, rows, output)"""

    def rows(self, start: int, stop: int) -> Tape:
        """The part of the pass that belongs to some rows of the batch."""
        parts = [_Activations(*(t[:, start:stop] for t in vars(a).values())) for a in self.hidden]
        return Tape(parts, self.input[:, start:stop], self.output[:, start:stop])


class StackedMLP:
    """`members` independent networks: per hidden layer dense, layer norm, tanh; then a linear head.

    Weights start Xavier-uniform, the head's at HEAD_SCALE of that, biases at zero. `flat` holds them
    all, `gradient` is of the same length and is overwritten by `backward`; `tensors` names the views into `flat`.
    """

    def __init__(
        self,
        input_dim: int,
        hidden: tuple[int, ...],
        output_dim: int,
        members: int,
        generator: torch.Generator,
    ) -> None:
        widths = (input_dim, *hidden, output_dim)
        self._shapes: dict[str, tuple[int, ...]] = {}
        for n, (fan_in, fan_out) in enumerate(pairwise(widths)):
            name = f"layer{n}" if n < len(hidden) else "head"
            self._shapes[f"{name}.weight"] = (members, fan_in, fan_out)
            for part in ("bias", "scale", "shift") if n < len(hidden) else ("bias",):
                self._shapes[f"{name}.{part}"] = (members, 1, fan_out)
        self.members = members
        self._widths = (input_dim, output_dim)
        self.flat = torch.zeros(sum(math.prod(shape) for shape in self._shapes.values()))
        self.gradient = torch.zeros_like(self.flat)
        self.tensors = self.views(self.flat)
        self._layers = self._group(self.tensors)
        self._gradients = self._group(self.views(self.gradient))
        for name, tensor in self.tensors.items():
            if name.endswith("weight"):
                bound = math.sqrt(6.0 / sum(tensor.shape[1:]))
                scale = HEAD_SCALE if name == "head.weight" else 1.0
                tensor.uniform_(-scale * bound, scale * bound, generator=generator)
            elif name.endswith("scale"):
                tensor.fill_(1.0)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The weights by name in a vector of the length of `flat`, in place."""
        parts = torch.split(flat, [math.prod(shape) for shape in self._shapes.values()])
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    @staticmethod
    def _group(tensors: dict[str, Tensor]) -> list[_Layer]:
        layers: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            layer, part = name.split(".")
            layers.setdefault(layer, {})[part] = tensor
        none = {"scale": torch.empty(0), "shift": torch.empty(0)}
        return [_Layer(**{**none, **parts}) for parts in layers.values()]

    def tape(self, rows: int) -> Tape:
        """Memory for passes of so many rows; networks of the same shape may share it."""
        hidden: list[_Activations] = []
        for layer in self._layers[:-1]:
            shape = (self.members, rows, layer.weight.shape[2])
            normalised, output, gradient, scratch = (torch.empty(shape) for _ in range(4))
            hidden.append(
                _Activations(normalised, normalised[..., :1].clone(), output, gradient, scratch)
            )
        return Tape(hidden, *(torch.empty(self.members, rows, width) for width in self._widths))

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Maps (rows, input) to (members, rows, output), which lies on the tape."""
        x = tape.input = x.expand(self.members, -1, -1)
        for layer, saved in zip(self._layers, tape.hidden, strict=False):
            torch.baddbmm(layer.bias, x, layer.weight, out=saved.normalised)
            _layer_norm(saved.normalised, saved.inverse_std)
            x = torch.addcmul(layer.shift, saved.normalised, layer.scale, out=saved.output).tanh_()
        head = self._layers[-1]
        return torch.baddbmm(head.bias, x, head.weight, out=tape.output)

    def backward(self, tape: Tape, gradient: Tensor) -> None:
        """From the gradient (members, rows, output) of a loss, overwrites that of the weights."""
        for n in reversed(range(len(self._layers))):
            layer, gradients = self._layers[n], self._gradients[n]
            x = tape.hidden[n - 1].output if n else tape.input
            torch.bmm(x.mT, gradient, out=gradients.weight)
            torch.sum(gradient, 1, keepdim=True, out=gradients.bias)
            if n:
                saved = tape.hidden[n - 1]
                gradient = torch.bmm(gradient, layer.weight.mT, out=saved.gradient)
                _layer_norm_tanh_backward(saved, self._layers[n - 1], self._gradients[n - 1])

    def input_gradient(self, tape: Tape, gradient: Tensor, start: int = 0) -> Tensor:
        """The same for the input from column `start` on, (members, rows, input - start).

        The weights' gradient stays.
        """
        for n in range(len(tape.hidden), 0, -1):
            saved = tape.hidden[n - 1]
            gradient = torch.bmm(gradient, self._layers[n].weight.mT, out=saved.gradient)
            _layer_norm_tanh_backward(saved, self._layers[n - 1], None)
        return torch.bmm(gradient, self._layers[0].weight[:, start:].mT)


def _layer_norm(x: Tensor, inverse_std: Tensor) -> None:
    """Layer norm without scale and shift, in place; half the cost of torch's on a CPU."""
    width = x.shape[-1]
    x.sub_(x.sum(-1, keepdim=True), alpha=1.0 / width)
    torch.linalg.vector_norm(x, dim=-1, keepdim=True, out=inverse_std)
    inverse_std.square_().mul_(1.0 / width).add_(LAYER_NORM_EPSILON).rsqrt_()
    x.mul_(inverse_std)


def _layer_norm_tanh_backward(saved: _Activations, layer: _Layer, gradients: _Layer | None) -> None:
    """Back through tanh and layer norm: `saved.gradient` becomes that of the dense layer's output.

    Overwrites the gradients of scale and shift, if there is where to.
    """
    gradient, scratch = saved.gradient, saved.scratch
    torch.ops.aten.tanh_backward.grad_input(gradient, saved.output, grad_input=gradient)
    torch.mul(gradient, saved.normalised, out=scratch)
    if gradients is not None:
        torch.sum(gradient, 1, keepdim=True, out=gradients.shift)
        torch.sum(scratch, 1, keepdim=True, out=gradients.scale)
    # what changes a row's mean or length has no effect beyond the norm: take that out
    share = 1.0 / gradient.shape[-1]
    gradient.mul_(layer.scale)
    along = scratch.mul_(layer.scale).sum(-1, keepdim=True)
    gradient.sub_(gradient.sum(-1, keepdim=True), alpha=share)
    gradient.addcmul_(saved.normalised, along, value=-share).mul_(saved.inverse_std)
