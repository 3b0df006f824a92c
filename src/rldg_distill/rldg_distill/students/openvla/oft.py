# SPDX-License-Identifier: Apache-2.0
"""OpenVLA-OFT (Kim et al. 2025, arXiv 2502.19645): a whole chunk of actions from one forward pass.

The sequence is `[begin][patches of every image][proprioception][prompt][K · A empty slots][end]`. Attention is
bidirectional over all of it, as in the published model, whose authors changed transformers' Llama for that; here the
mask is built by hand and handed to the stock Llama. What stands one place before a slot becomes its number, as where
tokens are predicted.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import gelu

from rldg_distill.students.openvla.model import OpenVLA, Sequence
from rldg_distill.students.openvla.tokens import Prompts


class ResidualBlock(nn.Module):
    """LayerNorm, linear, ReLU on a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ffn = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return x + self.ffn(x)


class ActionHead(nn.Module):
    """The hidden states of an action's slots as the action; names are those of OFT's `MLPResNet`."""

    def __init__(self, width: int, action_dim: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(action_dim * width)
        self.fc1 = nn.Linear(action_dim * width, width)
        self.mlp_resnet_blocks = nn.ModuleList(ResidualBlock(width) for _ in range(2))
        self.layer_norm2 = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, action_dim)

    def forward(self, slots: Tensor) -> Tensor:
        """(B, K, action_dim · width) to (B, K, action_dim)."""
        x = self.fc1(self.layer_norm1(slots)).relu()
        for block in self.mlp_resnet_blocks:
            x = block(x)
        return self.fc2(self.layer_norm2(x))


class StateProjector(nn.Module):
    """The robot's state as one token; names are those of OFT's `ProprioProjector`."""

    def __init__(self, state_dim: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(state_dim, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, state: Tensor) -> Tensor:
        """(B, state_dim), normalised, to (B, 1, width)."""
        return self.fc2(gelu(self.fc1(state)))[:, None]


def bidirectional(mask: Tensor) -> Tensor:
    """(B, 1, S, S) bool for transformers: every place attends to every place that (B, S) `mask` leaves."""
    return mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)


def hidden_states(model: OpenVLA, sequence: Sequence) -> Tensor:
    """(B, S, D): the Llama's output with bidirectional attention."""
    hidden: Tensor = model.language_model.model(
        inputs_embeds=sequence.embeddings,
        attention_mask=bidirectional(sequence.mask),
        position_ids=sequence.positions,
        use_cache=False,
    ).last_hidden_state
    return hidden


def slot_states(
    model: OpenVLA, pixels: Tensor, prompts: Prompts, count: int, *extra: Tensor
) -> Tensor:
    """(B, count, D): what the `count` empty slots were turned into; the rest as for `OpenVLA.prefix`."""
    sequence = model.prefix(pixels, prompts, *extra)
    slots = sequence.embeddings.new_zeros(len(pixels), count, sequence.embeddings.shape[2])
    end = prompts.ids.new_full((len(pixels), 1), model.config.language.eos_token_id)
    sequence = sequence + slots + model.embed(end)
    return hidden_states(model, sequence)[:, -2 - count : -2]


class ChunkHead(nn.Module):
    """What OFT adds to an OpenVLA: the action head and, where the state is seen, its projector."""

    def __init__(self, width: int, chunk: int, action_dim: int, state_dim: int | None) -> None:
        """For `chunk` actions of `action_dim` numbers; `state_dim` None: without proprioception."""
        super().__init__()
        self.chunk, self.action_dim = chunk, action_dim
        self.action_head = ActionHead(width, action_dim)
        self.proprio_projector = StateProjector(state_dim, width) if state_dim else None

    def forward(self, model: OpenVLA, pixels: Tensor, prompts: Prompts, state: Tensor) -> Tensor:
        """Normalised actions.

        Args:
            model: whose Llama does the work.
            pixels: (B, N, 6, S, S).
            prompts: B.
            state: (B, state_dim), normalised; not looked at without a projector.

        Returns:
            (B, K, action_dim).
        """
        extra = [] if self.proprio_projector is None else [self.proprio_projector(state)]
        count = self.chunk * self.action_dim
        slots = slot_states(model, pixels, prompts, count, *extra)
        rows = slots.unflatten(1, (self.chunk, self.action_dim)).flatten(2)
        return self.action_head(rows.to(self.action_head.fc1.weight.dtype))
