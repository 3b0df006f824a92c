# SPDX-License-Identifier: Apache-2.0
"""OpenVLA: images and a prompt in, action tokens out.

One sequence holds `[begin][256 patches of every image][prompt][A action tokens][end]`, causal throughout. Prompts of
different length are padded between image and prompt, not at the end: the actions then lie at the same places in every
row, and masked keys and positions that skip the padding make it invisible.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from rldg_distill.students.openvla.config import LanguageConfig, OpenVLAConfig
from rldg_distill.students.openvla.tokens import ActionTokens, Prompts
from rldg_distill.students.openvla.vision import Projector, VisionBackbone


def llama_config(config: LanguageConfig) -> LlamaConfig:
    """For transformers' Llama."""
    values = asdict(config)
    rope = {"rope_type": "default", "rope_theta": values.pop("rope_theta")}
    return LlamaConfig(rope_parameters=rope, tie_word_embeddings=False, **values)


@dataclass(frozen=True)
class Sequence:
    """What the language model reads."""

    embeddings: Tensor
    """(B, S, D)"""
    mask: Tensor
    """(B, S) bool: False where there is padding"""

    @property
    def positions(self) -> Tensor:
        """(B, S) int64: place in the row, padding not counted."""
        return (self.mask.cumsum(1) - 1).clamp(min=0)

    def __add__(self, tail: Tensor) -> Sequence:
        """The sequence with (B, T, D) embeddings behind it."""
        more = self.mask.new_ones(tail.shape[:2])
        return Sequence(torch.cat([self.embeddings, tail], 1), torch.cat([self.mask, more], 1))


def init_weights(module: nn.Module) -> None:
    """Random weights that keep the variance of what passes, so that a small network learns from nothing.

    With those of transformers (standard deviation 0.02, for thousands of channels) `tiny` with OFT's head does not
    find out what its images show.
    """
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight)


class OpenVLA(nn.Module):
    """Two vision towers, a projector and a Llama; parameters are named as in the official checkpoints."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = ActionTokens(config.vocabulary, config.n_action_bins)
        self.vision_backbone = VisionBackbone(config)
        vision = config.dino.width + config.siglip.width
        self.projector = Projector(vision, config.language.hidden_size)
        language = llama_config(config.language)
        self.language_model = LlamaForCausalLM(language)
        with torch.device(
            "cpu"
        ):  # no checkpoint holds this buffer: real, though the rest be on the meta device
            self.language_model.model.rotary_emb = LlamaRotaryEmbedding(language)
        self.apply(init_weights)

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings (..., D) of tokens."""
        return self.language_model.get_input_embeddings()(tokens)

    def prefix(self, pixels: Tensor, prompts: Prompts, *extra: Tensor) -> Sequence:
        """Everything in front of the actions.

        Args:
            pixels: (B, N, 6, S, S), N images as `images.preprocess` gives them.
            prompts: of the same B, on the same device.
            extra: (B, T, D) embeddings behind the patches, e.g. of proprioception.

        Raises:
            ValueError: images and prompts are not equally many.
        """
        if len(pixels) != len(prompts.ids):
            raise ValueError(f"{len(pixels)} images with {len(prompts.ids)} prompts")
        patches = self.projector(self.vision_backbone(pixels.flatten(0, 1)))
        first = prompts.ids.new_full((len(pixels), 1), self.config.language.bos_token_id)
        parts = [self.embed(first), patches.unflatten(0, pixels.shape[:2]).flatten(1, 2), *extra]
        seen = sum(part.shape[1] for part in parts)
        mask = torch.cat([prompts.mask.new_ones(len(pixels), seen), prompts.mask], 1)
        text = self.embed(prompts.ids)
        # Adapters and OFT's projector are float32 on a bfloat16 network.
        return Sequence(torch.cat([*(part.to(text.dtype) for part in parts), text], 1), mask)

    def logits(self, pixels: Tensor, prompts: Prompts, actions: Tensor) -> Tensor:
        """What is predicted for every action token, given those before it.

        Args:
            pixels: as in `prefix`.
            prompts: as in `prefix`.
            actions: (B, A) action tokens.

        Returns:
            (B, A + 1, rows of the vocabulary): of the A action tokens and of the end of the sequence.
        """
        sequence = self.prefix(pixels, prompts) + self.embed(actions)
        hidden = self.language_model.model(
            inputs_embeds=sequence.embeddings,
            attention_mask=sequence.mask,
            position_ids=sequence.positions,
            use_cache=False,
        ).last_hidden_state
        return self.language_model.lm_head(hidden[:, -1 - actions.shape[1] :])

    @torch.no_grad()
    def predict_tokens(self, pixels: Tensor, prompts: Prompts, count: int) -> Tensor:
        """Greedy action tokens, one after the other, with a key-value cache.

        Args:
            pixels: as in `prefix`.
            prompts: as in `prefix`.
            count: how many, the dimension of the action.

        Returns:
            (B, count) int64, action tokens only: no other token can be chosen.
        """
        sequence = self.prefix(pixels, prompts)
        state = self.language_model.model(
            inputs_embeds=sequence.embeddings,
            attention_mask=sequence.mask,
            position_ids=sequence.positions,
            use_cache=True,
        )
        position = sequence.positions[:, -1:]
        mask = sequence.mask
        chosen = [self._choose(state.last_hidden_state)]
        for _ in range(count - 1):
            position = position + 1
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            state = self.language_model.model(
                input_ids=chosen[-1],
                attention_mask=mask,
                position_ids=position,
                past_key_values=state.past_key_values,
                use_cache=True,
            )
            chosen.append(self._choose(state.last_hidden_state))
        return torch.cat(chosen, 1)

    def predict_action(self, pixels: Tensor, prompts: Prompts, count: int) -> Tensor:
        """Normalised actions (B, count) float32 in (-1, 1); arguments as for `predict_tokens`."""
        return self.tokens.decode(self.predict_tokens(pixels, prompts, count))

    def _choose(self, hidden: Tensor) -> Tensor:
        """(B, 1): the likeliest action token behind (B, S, D)."""
        logits = self.language_model.lm_head(hidden[:, -1:])
        return (
            logits[..., self.tokens.first : self.tokens.vocabulary].argmax(-1) + self.tokens.first
        )
