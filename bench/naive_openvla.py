# SPDX-License-Identifier: Apache-2.0
"""OpenVLA `tiny`, and the same layers written naively: what `bench/students.py` times.

Naive is what the papers' equations say, on the same weights: attention with its matrix written out, every block run
although the features are those of the last but one, the whole sequence again for every token, logits of every place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rldg_distill.students.openvla.config import tiny
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.students.openvla.targets import divergence, hard
from rldg_distill.students.openvla.tokens import PromptTokenizer, tiny_tokenizer
from rldg_distill.students.openvla.vision import Tower

ACTION_DIM = 7


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """(B, heads, N, d) each."""
    scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


def naive_tower(tower: Tower, images: Tensor) -> Tensor:
    """All blocks; the features of the last but one."""
    x = tower.patch_embed(images) + tower.pos_embed
    if tower.prefix:
        x = torch.cat(
            [torch.cat([tower.cls_token, tower.reg_token], 1).expand(len(x), -1, -1), x], 1
        )
    outputs = []
    for block in tower.blocks:
        y = block.norm1(x)
        q, k, v = block.attn.qkv(y).unflatten(2, (3, block.attn.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + block.ls1(block.attn.proj(attention(q, k, v).transpose(1, 2).flatten(2)))
        x = x + block.ls2(block.mlp(block.norm2(x)))
        outputs.append(x)
    return outputs[-2][:, tower.prefix :]


def rotated(x: Tensor) -> Tensor:
    """Rotary positions of (B, heads, N, d)."""
    half = x.shape[-1] // 2
    frequency = 10000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(x.shape[2])[:, None] * frequency
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def naive_logits(model: OpenVLA, pixels: Tensor, ids: Tensor) -> Tensor:
    """Of every place of `[begin][patches][ids]`."""
    backbone = model.vision_backbone
    features = [
        naive_tower(tower, part)
        for tower, part in zip(
            (backbone.featurizer, backbone.fused_featurizer), pixels[:, 0].split(3, 1), strict=True
        )
    ]
    patches = model.projector(torch.cat(features, 2))
    begin = ids.new_full((len(ids), 1), model.config.language.bos_token_id)
    x = torch.cat([model.embed(begin), patches, model.embed(ids)], 1)
    causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    llama = model.language_model.model
    for layer in llama.layers:
        y, self_attention = layer.input_layernorm(x), layer.self_attn
        projections = (self_attention.q_proj, self_attention.k_proj, self_attention.v_proj)
        q, k, v = (
            p(y).unflatten(2, (-1, self_attention.head_dim)).transpose(1, 2) for p in projections
        )
        mixed = attention(rotated(q), rotated(k), v, causal)
        x = x + self_attention.o_proj(mixed.transpose(1, 2).flatten(2))
        y = layer.post_attention_layernorm(x)
        x = x + layer.mlp.down_proj(
            nn.functional.silu(layer.mlp.gate_proj(y)) * layer.mlp.up_proj(y)
        )
    logits: Tensor = model.language_model.lm_head(llama.norm(x))
    return logits


class Pair:
    """Both, on the same weights and inputs."""

    def __init__(self, batch: int) -> None:
        config = tiny()
        self.model = OpenVLA(config).eval()
        tokens = self.model.tokens
        self.prompts = PromptTokenizer(tiny_tokenizer(), config)(
            ["insert the vga connector into the port"] * batch
        )
        self.pixels = torch.randn(batch, 1, 6, config.image_size, config.image_size)
        self.actions = torch.randint(tokens.first, tokens.vocabulary, (batch, ACTION_DIM))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-5, fused=True)

    @torch.inference_mode()
    def inference(self) -> Tensor:
        """Seven tokens of one image."""
        one = type(self.prompts)(self.prompts.ids[:1], self.prompts.mask[:1])
        return self.model.predict_tokens(self.pixels[:1], one, ACTION_DIM)

    @torch.inference_mode()
    def naive_inference(self) -> Tensor:
        """The same."""
        ids, tokens = self.prompts.ids[:1], self.model.tokens
        for _ in range(ACTION_DIM):
            logits = naive_logits(self.model, self.pixels[:1], ids)[
                :, -1, tokens.first : tokens.vocabulary
            ]
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True) + tokens.first], 1)
        return ids[:, -ACTION_DIM:]

    def loss(self) -> Tensor:
        """Of a batch."""
        logits = self.model.logits(self.pixels, self.prompts, self.actions)[:, :-1]
        return divergence(logits, hard(self.model.tokens, self.actions), self.model.tokens).mean()

    def naive_loss(self) -> Tensor:
        """The same."""
        ids = torch.cat([self.prompts.ids, self.actions], 1)
        logits = naive_logits(self.model, self.pixels, ids)[:, -1 - ACTION_DIM : -1]
        return cross_entropy(logits.flatten(0, 1), self.actions.flatten())

    def step(self, loss: Callable[[], Tensor]) -> None:
        """One step of the optimiser."""
        self.optimizer.zero_grad()
        loss().backward()
        self.optimizer.step()


def turns(batch: int) -> dict[str, Callable[[], object]]:
    """What is to be timed by its name, after a check that both do the same."""
    pair = Pair(batch)
    assert torch.equal(pair.inference(), pair.naive_inference())
    assert torch.allclose(pair.loss(), pair.naive_loss(), atol=1e-4)
    return {
        "inference": pair.inference,
        "training": partial(pair.step, pair.loss),
        "inference, naive": pair.naive_inference,
        "training, naive": partial(pair.step, pair.naive_loss),
    }
