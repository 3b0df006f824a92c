# SPDX-License-Identifier: Apache-2.0
"""The transformer and its attention mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rldg_distill.students.octo.initial import xavier_dense

EPSILON = 1e-6
"""of every layer norm, as Flax has it"""
MASKED_LOGIT = -1e30
"""added to the attention logit of a token that is masked; finite in bfloat16 too"""


def block_causal_mask(step: Tensor, is_readout: Tensor) -> Tensor:
    """Block-wise causal: a token attends to its own step and to earlier ones; only readouts attend to readouts.

    Args:
        step: (N,) integers, the step of the window that a token belongs to; -1 for those of the task, which
            therefore attend to the task alone.
        is_readout: (N,) bool.

    Returns:
        (N, N) bool: row attends to column.
    """
    return (step[None] <= step[:, None]) & (~is_readout[None] | is_readout[:, None])


def attention_bias(mask: Tensor, valid: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask as what is added to the logits of attention.

    A large number rather than infinity: a row that may attend to nothing (the task's tokens where no task is
    given) then attends to everything evenly, as in the original, instead of becoming NaN. No token attends
    to such a row.

    Args:
        mask: (N, N) bool from `block_causal_mask`.
        valid: (B, N) bool; False: padding, which no token attends to.
        dtype: of the result.

    Returns:
        (B, 1, N, N)
    """
    attended = mask & valid[:, None, None, :]
    return torch.zeros_like(attended, dtype=dtype).masked_fill(~attended, MASKED_LOGIT)


class OctoAttention(nn.Module):
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
        attended = functional.scaled_dot_product_attention(query, key, value, bias)
        output: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return output


class OctoBlock(nn.Module):
    """One pre-norm layer: layer norm, attention, residual; layer norm, MLP, residual."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.attention = OctoAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=EPSILON)
        self.up = xavier_dense(width, mlp_width)
        self.down = xavier_dense(mlp_width, width)

    def forward(self, x: Tensor, bias: Tensor, rows: Tensor | None = None) -> Tensor:
        """(B, N, width) to the same, or to those rows of it."""
        attended = self.attention(self.attention_norm(x), bias, rows)
        x = attended + (x if rows is None else x[:, rows])
        hidden = functional.gelu(self.up(self.mlp_norm(x)), approximate="tanh")
        return x + self.down(hidden)


class Transformer(nn.Module):
    """Layers, and a last norm."""

    def __init__(self, layers: int, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(OctoBlock(width, heads, mlp_width) for _ in range(layers))
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
