# SPDX-License-Identifier: Apache-2.0
"""How the weights of Octo begin, as Flax begins them."""

from __future__ import annotations

import math

from torch import Tensor, nn

_TRUNCATED = 0.87962566103423978
"""standard deviation of a unit Gaussian that is cut off at 2"""


def lecun_normal_(weight: Tensor) -> Tensor:
    """Fill (out, in, ...) with a Gaussian of variance 1 / fan-in, cut off at two standard deviations."""
    std = 1 / math.sqrt(weight[0].numel()) / _TRUNCATED
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def dense(inputs: int, outputs: int) -> nn.Linear:
    """A layer as `flax.linen.Dense` makes one."""
    layer = nn.Linear(inputs, outputs)
    lecun_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def xavier_dense(inputs: int, outputs: int, blocks: int = 1) -> nn.Linear:
    """The same with Glorot's uniform start; several layers in one begin as if they stood alone.

    Args:
        inputs: numbers in.
        outputs: numbers out.
        blocks: layers that are stacked, of `outputs / blocks` each.
    """
    layer = nn.Linear(inputs, outputs)
    for weight in layer.weight.chunk(blocks):
        nn.init.xavier_uniform_(weight)
    nn.init.zeros_(layer.bias)
    return layer
