# SPDX-License-Identifier: Apache-2.0
"""The transformer, and which token may read which."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rldg_distill.students.octo.initial import xavier_dense

EPSILON = 1e-6
"""of every layer norm, as Flax has it"""
HIDDEN = -1e30
"""what the logit of a token gets that may not be read; finite in bfloat16 too"""


def may_read(step: Tensor, is_readout: Tensor) -> Tensor:
    """Who may read whom, block by block: the present and the past, and no readout but its own.

    Args:
        step: (N,) integers, the step of the window that a token belongs to; -1 for those of the task, which
            therefore read the task alone.
        is_readout: (N,) bool.

    Returns:
        (N, N) bool: row reads column.
    """
    return (step[None] <= step[:, None]) & (~is_readout[None] | is_readout[:, None])


def attention_bias(allowed: Tensor, valid: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the logits of attention.

    A large number rather than infinity: a row with nothing to read (the task's tokens where no task is
    given) then reads everything evenly, as in the original, instead of becoming NaN. Nobody reads such a row.

    Args:
        allowed: (N, N) bool.
        valid: (B, N) bool; False: nobody reads this token.
        dtype: of the result.

    Returns:
        (B, 1, N, N)
    """
    readable = allowed & valid[:, None, None, :]
    return torch.zeros_like(readable, dtype=dtype).masked_fill(~readable, HIDDEN)


class Attention(nn.Module):
    """Multi-head attention; query, key and value in one matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = xavier_dense(width, 3 * width, blocks=3)
        self.out = xavier_dense(width, width)

    def forward(self, x: Tensor, bias: Tensor, rows: Tensor | None = None) -> Tensor:
        """(B, N, width) to the same, or to those rows of it."""
        batch, tokens, width = x.shape
        shape = (batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = self.qkv(x).view(shape).permute(2, 0, 3, 1, 4)
        if rows is not None:
            query, bias = query[:, :, rows], bias[:, :, rows]
        found = functional.scaled_dot_product_attention(query, key, value, bias)
        read: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return read


class Block(nn.Module):
    """One layer: normalise, attend, add; normalise, think, add."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=EPSILON)
        self.up = xavier_dense(width, mlp_width)
        self.down = xavier_dense(mlp_width, width)

    def forward(self, x: Tensor, bias: Tensor, rows: Tensor | None = None) -> Tensor:
        """(B, N, width) to the same, or to those rows of it."""
        read = self.attention(self.attention_norm(x), bias, rows)
        x = read + (x if rows is None else x[:, rows])
        hidden = functional.gelu(self.up(self.mlp_norm(x)), approximate="tanh")
        return x + self.down(hidden)


class Transformer(nn.Module):
    """Layers, and a last norm."""

    def __init__(self, layers: int, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, mlp_width) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, tokens: Tensor, bias: Tensor, rows: Tensor | None = None) -> Tensor:
        """Tokens after all layers.

        Args:
            tokens: (B, N, width).
            bias: (B, 1, N, N) from `attention_bias`.
            rows: (R,) of the tokens that are asked for, which spares the last layer the others; None: all.

        Returns:
            (B, N or R, width)
        """
        *blocks, last = self.blocks
        for block in blocks:
            tokens = block(tokens, bias)
        out: Tensor = self.norm(last(tokens, bias, rows))
        return out
