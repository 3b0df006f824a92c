# SPDX-License-Identifier: Apache-2.0
"""A chunk of actions out of noise (denoising diffusion, Ho et al. 2020, arXiv:2006.11239), given what was read out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rldg_distill.students.octo.config import OctoConfig
from rldg_distill.students.octo.initial import dense, xavier_dense
from rldg_distill.students.octo.transformer import EPSILON

LARGEST = 5.0
"""normalised actions beyond this are cut off"""


def cosine_betas(steps: int) -> Tensor:
    """(steps,) float32: how much noise every step adds (Nichol and Dhariwal 2021, arXiv:2102.09672)."""
    time = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    kept = torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - kept[1:] / kept[:-1]).clamp(0, 0.999).float()


class TimeFeatures(nn.Module):
    """The noise level as sines and cosines of learned frequencies, and what an MLP makes of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width // 2, 1) * 0.2)
        self.up = xavier_dense(width, 2 * width)
        self.down = xavier_dense(2 * width, width)

    def forward(self, time: Tensor) -> Tensor:
        """(...) steps of diffusion, as numbers from 0, to (..., width)."""
        angle = 2 * math.pi * time[..., None].to(self.weight.dtype) @ self.weight.T
        waves = torch.cat((angle.cos(), angle.sin()), -1)
        features: Tensor = self.down(functional.silu(self.up(waves)))
        return features


class HeadBlock(nn.Module):
    """A residual MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.up = dense(width, 4 * width)
        self.down = dense(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        changed: Tensor = x + self.down(functional.silu(self.up(self.norm(x))))
        return changed


class DiffusionHead(nn.Module):
    """Tells the noise in noisy actions; used backwards, it makes actions from noise."""

    betas: Tensor
    alphas: Tensor
    kept: Tensor

    def __init__(self, config: OctoConfig) -> None:
        super().__init__()
        self.shape = (config.chunk, config.action_dim)
        numbers = config.chunk * config.action_dim
        self.steps = config.diffusion_steps
        self.time = TimeFeatures(config.time_width)
        self.enter = xavier_dense(config.time_width + config.width + numbers, config.head_width)
        self.blocks = nn.ModuleList(HeadBlock(config.head_width) for _ in range(config.head_blocks))
        self.leave = xavier_dense(config.head_width, numbers)
        betas = cosine_betas(self.steps)
        self.register_buffer("betas", betas, persistent=False)
        self.register_buffer("alphas", 1 - betas, persistent=False)
        self.register_buffer("kept", (1 - betas).cumprod(0), persistent=False)

    def forward(self, embedding: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """The noise in noisy actions.

        Args:
            embedding: (..., width) what the transformer read out.
            noisy: (..., K * 7) normalised actions with noise.
            time: (...) step of diffusion, 0 (hardly any noise) to `steps` - 1.

        Returns:
            (..., K * 7)
        """
        return self._noise(self.time(time), embedding, noisy)

    def _noise(self, time: Tensor, embedding: Tensor, noisy: Tensor) -> Tensor:
        x = self.enter(torch.cat((time, embedding, noisy), -1))
        for block in self.blocks:
            x = block(x)
        noise: Tensor = self.leave(functional.silu(x))
        return noise

    def loss(
        self, embedding: Tensor, action: Tensor, mask: Tensor, time: Tensor, noise: Tensor
    ) -> Tensor:
        """Squared error of the noise that it tells, summed over an action's dimensions.

        Args:
            embedding: (B, W, width).
            action: (B, W, K, 7) normalised.
            mask: (B, W, K) bool: which actions count.
            time: (B, W) integers from `draw`.
            noise: (B, W, K * 7) from `draw`.

        Returns:
            Scalar: the mean over the actions that count.
        """
        clean = action.flatten(-2).clamp(-LARGEST, LARGEST)
        kept = self.kept[time][..., None]
        noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
        error = (self(embedding, noisy, time) - noise).square().unflatten(-1, self.shape).sum(-1)
        return (error * mask).sum() / mask.sum().clamp(min=1)

    def draw(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Random `time` and `noise` for `loss`, from torch's default generator of the device."""
        at = embedding.shape[:-1]
        time = torch.randint(self.steps, at, device=embedding.device)
        noise = torch.randn(*at, math.prod(self.shape), device=embedding.device)
        return time, noise

    def sample(self, embedding: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions out of noise.

        Args:
            embedding: (B, width).
            noise: (steps, B, K * 7) Gaussian: where it begins, then what is added after every step but the last.
                Drawn from torch's default generator of the device where None.

        Returns:
            (B, K, 7) normalised actions.
        """
        if noise is None:
            numbers = math.prod(self.shape)
            noise = torch.randn(self.steps, len(embedding), numbers, device=embedding.device)
        times = self.time(torch.arange(self.steps, device=embedding.device))
        # Numbers on the host: on a GPU, indexing with them waits for nothing.
        move = ((1 - self.alphas) / (1 - self.kept).sqrt()).tolist()
        grow, spread = self.alphas.rsqrt().tolist(), self.betas.sqrt().tolist()
        x = noise[0]
        for step in range(self.steps - 1, -1, -1):
            time = times[step].expand(len(x), -1)
            x = grow[step] * (x - move[step] * self._noise(time, embedding, x))
            if step > 0:
                x = x + spread[step] * noise[self.steps - step]
            x = x.clamp(-LARGEST, LARGEST)
        return x.unflatten(-1, self.shape)
