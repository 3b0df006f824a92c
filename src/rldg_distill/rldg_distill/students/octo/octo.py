# SPDX-License-Identifier: Apache-2.0
"""Octo 1.5: tokens of task and observations through one transformer, actions out of its readout.

    [task | step 0: images, state, the task again, readout | step 1: ...]

Groups of tokens are named as in the original: task_language, obs_primary, obs_wrist, obs_proprio, obs_task_language,
readout_action. A mask acts on keys alone: masked tokens are computed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from rldg_distill.students.octo.config import OctoConfig
from rldg_distill.students.octo.diffusion_head import DiffusionHead
from rldg_distill.students.octo.initial import dense
from rldg_distill.students.octo.stem import Stem
from rldg_distill.students.octo.transformer import Transformer, attention_bias, block_causal_mask

TASK, REPEATED_TASK, STATE, READOUT = (
    "task_language",
    "obs_task_language",
    "obs_proprio",
    "readout_action",
)


@dataclass
class OctoInputs:
    """What the network sees: B samples, W steps of history, oldest first."""

    images: dict[str, Tensor]
    """tokenizer -> (B, W, side, side, 3) uint8; a tokenizer that is not named here adds no tokens"""
    step_mask: Tensor
    """(B, W) bool; False: before the episode began"""
    language: Tensor
    """(B, L, language_width) float32 as the language encoder gives it"""
    language_mask: Tensor
    """(B,) bool; False: there is no instruction"""
    state: Tensor | None = None
    """(B, W, S) float32 normalised; None: no tokens of it"""
    image_masks: dict[str, Tensor] = field(default_factory=dict)
    """tokenizer -> (B, W) bool; False: there is no such image. One that is not named here has all"""
    goals: dict[str, Tensor] = field(default_factory=dict)
    """tokenizer -> (B, side, side, 3) uint8: what it is to look like in the end; one that is not named here has none"""


@dataclass
class TokenGroup:
    """Tokens of one kind at every step of the window."""

    tokens: Tensor
    """(B, W, n, width)"""
    valid: Tensor
    """(B, W) bool; False: padding, which no token attends to"""


@dataclass
class TokenSequence:
    """The input of the transformer."""

    tokens: Tensor
    """(B, N, width)"""
    bias: Tensor
    """(B, 1, N, N), from `attention_bias`"""
    readout_positions: Tensor
    """(W,) of the readout tokens in the sequence"""
    counts: dict[str, int]
    """tokens of every group of a step, in their order"""


class Octo(nn.Module):
    """The network with its head; the language encoder is not part of it."""

    def __init__(self, config: OctoConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stems = nn.ModuleDict(
            {name: Stem(config.stem, config.patch_width) for name in config.images}
        )
        sizes = {f"obs_{name}": config.image_tokens(name) for name in config.images}
        inputs = dict.fromkeys(sizes, config.patch_width) | {TASK: config.language_width}
        if config.state_dim:
            sizes[STATE], inputs[STATE] = config.state_dim, 1
        self.projections = nn.ModuleDict(
            {name: dense(size, width) for name, size in inputs.items()}
        )
        shapes: dict[str, tuple[int, ...]] = {
            name: (config.max_window, size) for name, size in sizes.items()
        }
        shapes |= {TASK: (config.language_tokens,), READOUT: (config.max_window, 1)}
        self.positions = nn.ParameterDict(
            {
                name: nn.Parameter(0.02 * torch.randn(*shape, width))
                for name, shape in shapes.items()
            }
        )
        self.transformer = Transformer(config.layers, width, config.heads, config.mlp_width)
        self.head = DiffusionHead(config)

    def forward(self, inputs: OctoInputs) -> Tensor:
        """(B, W, width): the readout token of every step after the transformer, which the head takes.

        Raises:
            ValueError: an input of a wrong shape or name.
        """
        sequence = self._sequence(inputs)
        return self.transformer(sequence.tokens, sequence.bias, sequence.readout_positions)

    def tokens(self, inputs: OctoInputs) -> dict[str, Tensor]:
        """Every group of tokens after the transformer.

        Returns:
            `task_language` as (B, L, width), the others as (B, W, n, width).

        Raises:
            ValueError: an input of a wrong shape or name.
        """
        sequence = self._sequence(inputs)
        out = self.transformer(sequence.tokens, sequence.bias)
        task = self.config.language_tokens
        steps = out[:, task:].unflatten(1, (inputs.step_mask.shape[1], -1))
        parts = steps.split(list(sequence.counts.values()), 2)
        return {TASK: out[:, :task], **dict(zip(sequence.counts, parts, strict=True))}

    def _sequence(self, inputs: OctoInputs) -> TokenSequence:
        """All tokens in a row, with the mask of their attention."""
        self._check(inputs)
        task = self.projections[TASK](inputs.language) + self.positions[TASK]
        groups = self._token_groups(inputs, task)
        counts = {name: group.tokens.shape[2] for name, group in groups.items()}
        steps = torch.cat([group.tokens for group in groups.values()], 2)
        tokens = torch.cat((task, steps.flatten(1, 2)), 1)

        valid_by_group = [
            group.valid[..., None].expand(-1, -1, counts[name]) for name, group in groups.items()
        ]
        task_valid = inputs.language_mask[:, None].expand(-1, task.shape[1])
        valid = torch.cat((task_valid, torch.cat(valid_by_group, 2).flatten(1)), 1)

        per_step = steps.shape[2]
        position = torch.arange(tokens.shape[1], device=tokens.device) - task.shape[1]
        step = position.div(per_step, rounding_mode="floor").clamp(min=-1)
        readout_positions = torch.arange(1, steps.shape[1] + 1, device=tokens.device) * per_step - 1
        is_readout = torch.isin(position, readout_positions)
        bias = attention_bias(block_causal_mask(step, is_readout), valid, tokens.dtype)
        return TokenSequence(tokens, bias, readout_positions + task.shape[1], counts)

    def _token_groups(self, inputs: OctoInputs, task: Tensor) -> dict[str, TokenGroup]:
        """The tokens of a step, group by group; the readout comes last."""
        window, present = inputs.step_mask.shape[1], torch.ones_like(inputs.step_mask)
        token_groups = {
            f"obs_{name}": TokenGroup(
                self._image_tokens(name, images, inputs.goals.get(name)),
                inputs.step_mask & inputs.image_masks.get(name, present),
            )
            for name, images in inputs.images.items()
        }
        if inputs.state is not None:
            token_groups[STATE] = TokenGroup(inputs.state[..., None], inputs.step_mask)
        for name, group in token_groups.items():
            group.tokens = self.projections[name](group.tokens) + self.positions[name][:window]
        # As in the original, a step before the episode's beginning does not hide the task.
        token_groups[REPEATED_TASK] = TokenGroup(
            task[:, None].expand(-1, window, -1, -1),
            inputs.language_mask[:, None].expand(-1, window),
        )
        readout = self.positions[READOUT][:window].expand(len(task), -1, -1, -1)
        token_groups[READOUT] = TokenGroup(readout, present)
        return token_groups

    def _image_tokens(self, name: str, images: Tensor, goal: Tensor | None) -> Tensor:
        """(B, W, tokens, patch_width) of a tokenizer."""
        batch, window = images.shape[:2]
        goals = None
        if goal is not None:
            goals = goal[:, None].expand(-1, window, -1, -1, -1).flatten(0, 1)
        tokens: Tensor = self.stems[name](images.flatten(0, 1), goals)
        return tokens.unflatten(0, (batch, window))

    def _check(self, inputs: OctoInputs) -> None:
        config = self.config
        batch, window = inputs.step_mask.shape
        if not 1 <= window <= config.max_window:
            raise ValueError(
                f"a window of {window} steps; there are positions for {config.max_window}"
            )
        unknown = {*inputs.images, *inputs.goals, *inputs.image_masks} - set(config.images)
        if unknown:
            raise ValueError(
                f"no image tokenizer {sorted(unknown)}; there are: {', '.join(config.images)}"
            )
        wanted: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
            "language": (inputs.language, (batch, config.language_tokens, config.language_width)),
            "state": (inputs.state, (batch, window, config.state_dim)),
        }
        for name, side in config.images.items():
            wanted[f"images of {name}"] = (
                inputs.images.get(name),
                (batch, window, side, side, 3),
            )
            wanted[f"goals of {name}"] = (inputs.goals.get(name), (batch, side, side, 3))
        for what, (found, shape) in wanted.items():
            if found is not None and found.shape != shape:
                raise ValueError(f"{what}: {tuple(found.shape)}, {shape} is needed")
