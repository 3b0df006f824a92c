# SPDX-License-Identifier: Apache-2.0
"""The two vision towers, as timm 0.9.16 computes them: DINOv2 with registers, SigLIP.

Names of parameters are those of OpenVLA's checkpoints. Features are the patches behind the last but one block, without
the final norm; the last block, that norm and SigLIP's pooling are in the checkpoints but take no part: they are held,
frozen, so that saving gives back what was loaded.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rldg_distill.students.openvla.config import PATCH, OpenVLAConfig, TowerConfig

EPSILON = 1e-6


class VisionAttention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) to the same."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return self.proj(mixed.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two layers with an exact GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A factor per channel; called `gamma` in timm, which transformers would rename."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return x * self.scale_factor


class VisionBlock(nn.Module):
    """Pre-norm attention and MLP, each on a residual."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=EPSILON)
        self.attn = VisionAttention(config.width, config.heads)
        self.ls1 = LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.width, eps=EPSILON)
        self.mlp = MLP(config.width, config.hidden)
        self.ls2 = LayerScale(config.width) if config.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) to the same."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class AttentionPool(nn.Module):
    """SigLIP's pooling head: weights only, OpenVLA never runs it."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.zeros(1, 1, config.width))
        self.q = nn.Linear(config.width, config.width)
        self.kv = nn.Linear(config.width, 2 * config.width)
        self.proj = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.mlp = MLP(config.width, config.hidden)


class PatchEmbedding(nn.Module):
    """Squares of pixels as tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, patches, width), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)


class Tower(nn.Module):
    """A vision transformer whose features are those behind its last but one block."""

    def __init__(self, config: TowerConfig, image_size: int) -> None:
        super().__init__()
        patches = (image_size // PATCH) ** 2
        self.patch_embed = PatchEmbedding(config.width)
        # Class and register tokens have no position, so the table is of patches alone.
        self.pos_embed = nn.Parameter(torch.empty(1, patches, config.width).normal_(std=0.02))
        self.prefix = 0
        if config.registers is not None:
            self.prefix = 1 + config.registers
            self.cls_token = nn.Parameter(torch.empty(1, 1, config.width).normal_(std=0.02))
            self.reg_token = nn.Parameter(
                torch.empty(1, config.registers, config.width).normal_(std=0.02)
            )
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.attn_pool = AttentionPool(config) if config.attention_pool else nn.Identity()
        for dead in (self.blocks[-1], self.norm, self.attn_pool):
            dead.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, S, S) to features (B, patches, width)."""
        x = self.patch_embed(images) + self.pos_embed
        if self.prefix:
            first = torch.cat([self.cls_token, self.reg_token], dim=1).expand(len(x), -1, -1)
            x = torch.cat([first, x], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        return x[:, self.prefix :]


class VisionBackbone(nn.Module):
    """Both towers, their features side by side."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.featurizer = Tower(config.dino, config.image_size)
        self.fused_featurizer = Tower(config.siglip, config.image_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 6, S, S), an image normalised for DINOv2 and for SigLIP, to (B, patches, both widths)."""
        dino, siglip = pixels.split(3, dim=1)
        return torch.cat([self.featurizer(dino), self.fused_featurizer(siglip)], dim=2)


class Projector(nn.Module):
    """From the towers' features into the language model's embedding space."""

    def __init__(self, vision: int, language: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(vision, 4 * vision)
        self.fc2 = nn.Linear(4 * vision, language)
        self.fc3 = nn.Linear(language, language)

    def forward(self, features: Tensor) -> Tensor:
        """(B, patches, vision) to (B, patches, language)."""
        return self.fc3(F.gelu(self.fc2(F.gelu(self.fc1(features)))))
