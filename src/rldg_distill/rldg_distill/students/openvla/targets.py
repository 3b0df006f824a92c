# SPDX-License-Identifier: Apache-2.0
"""What an action's tokens should be, as probabilities over its bins, and how far a student's logits are from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from rldg_distill.students.openvla.tokens import ActionTokens


def hard(tokens: ActionTokens, ids: Tensor) -> Tensor:
    """(..., bins) float32: all of the probability on the given action tokens, lowest token first."""
    return one_hot(ids - tokens.first, tokens.bins).float()


def binned(mean: Tensor, log_std: Tensor, scale: Tensor, edges: Tensor) -> Tensor:
    """Exact mass of `scale * tanh(N(mean, std))` in every bin of an action.

    tanh grows, so a bin's mass is that of the Gaussian between the edges' inverse images; what lies beyond the first
    and the last edge is clipped into the outermost bins. In float64: a bin may be narrow and far out.

    Args:
        mean: (..., D) of the Gaussian before tanh.
        log_std: (..., D).
        scale: (..., D): tanh(sample) * scale is the action.
        edges: (D, bins), ascending, in units of the action: where every bin begins.

    Returns:
        (..., D, bins) float32, lowest token (the highest bin) first; sums to 1.
    """
    reach = (edges / scale.double()[..., None]).clamp(-1, 1).atanh()
    below = torch.special.ndtr(
        (reach - mean.double()[..., None]) / log_std.double().exp()[..., None]
    )
    below = torch.cat(
        [torch.zeros_like(below[..., :1]), below[..., 1:], torch.ones_like(below[..., :1])], -1
    )
    return below.diff(dim=-1).flip(-1).float()


def divergence(logits: Tensor, target: Tensor, tokens: ActionTokens) -> Tensor:
    """KL(target || student) [nat] of every action token; for a hard target, the cross-entropy.

    The student's distribution is over its whole vocabulary: mass on anything but actions costs.

    Args:
        logits: (B, A, rows of the vocabulary).
        target: (B, A, bins).
        tokens: which of the rows are actions.

    Returns:
        (B, A).
    """
    student = logits.float().log_softmax(-1)[..., tokens.first : tokens.vocabulary]
    return (torch.xlogy(target, target) - target * student).sum(-1)
