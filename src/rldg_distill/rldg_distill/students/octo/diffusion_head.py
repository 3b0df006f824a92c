# SPDX-License-Identifier: Apache-2.0
"""The diffusion head: a chunk of actions out of noise, given the readout (DDPM, Ho et al. 2020, arXiv:2006.11239)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rldg_distill.students.octo.config import OctoConfig
from rldg_distill.students.octo.initial import dense, xavier_dense
from rldg_distill.students.octo.transformer import EPSILON

MAX_ACTION = 5.0
"""normalised actions are clipped to it"""


def cosine_betas(steps: int) -> Tensor:
    """(steps,) float32: the variance schedule (cosine, Nichol and Dhariwal 2021, arXiv:2102.09672)."""
    time = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    alpha_bar = torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(0, 0.999).float()


class FourierFeatures(nn.Module):
    """The diffusion step as sines and cosines of learned frequencies, then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width // 2, 1) * 0.2)
        self.up = xavier_dense(width, 2 * width)
        self.down = xavier_dense(2 * width, width)

    def forward(self, time: Tensor) -> Tensor:
        """(...) steps of diffusion, as numbers from 0, to (..., width)."""
        angle = 2 * math.pi * time[..., None].to(self.weight.dtype) @ self.weight.T
        fourier = torch.cat((angle.cos(), angle.sin()), -1)
        features: Tensor = self.down(functional.silu(self.up(fourier)))
        return features


class MLPResNetBlock(nn.Module):
    """A residual MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.up = dense(width, 4 * width)
        self.down = dense(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        output: Tensor = x + self.down(functional.silu(self.up(self.norm(x))))
        return output


class DiffusionHead(nn.Module):
    """Predicts the noise in noisy actions; the reverse process samples actions from noise."""

    betas: Tensor
    alphas: Tensor
    alpha_bars: Tensor

    def __init__(self, config: OctoConfig) -> None:
        super().__init__()
        self.shape = (config.chunk, config.action_dim)
        numbers = config.chunk * config.action_dim
        self.steps = config.diffusion_steps
        self.time = FourierFeatures(config.time_width)
        self.enter = xavier_dense(config.time_width + config.width + numbers, config.head_width)
        self.blocks = nn.ModuleList(
            MLPResNetBlock(config.head_width) for _ in range(config.head_blocks)
        )
        self.leave = xavier_dense(config.head_width, numbers)
        betas = cosine_betas(self.steps)
        self.register_buffer("betas", betas, persistent=False)
        self.register_buffer("alphas", 1 - betas, persistent=False)
        self.register_buffer("alpha_bars", (1 - betas).cumprod(0), persistent=False)

    def forward(self, readout: Tensor, noisy_action: Tensor, time: Tensor) -> Tensor:
        """The noise in noisy actions.

        Args:
            readout: (..., width) of `Octo.forward`.
            noisy_action: (..., K * A) normalised actions with noise.
            time: (...) step of diffusion, 0 (hardly any noise) to `steps` - 1.

        Returns:
            (..., K * A)
        """
        return self._predict_noise(self.time(time), readout, noisy_action)

    def _predict_noise(self, time: Tensor, readout: Tensor, noisy_action: Tensor) -> Tensor:
        x = self.enter(torch.cat((time, readout, noisy_action), -1))
        for block in self.blocks:
            x = block(x)
        noise: Tensor = self.leave(functional.silu(x))
        return noise

    def loss(
        self, readout: Tensor, action: Tensor, mask: Tensor, time: Tensor, noise: Tensor
    ) -> Tensor:
        """Squared error of the predicted noise, summed over an action's dimensions.

        Args:
            readout: (B, W, width).
            action: (B, W, K, A) normalised.
            mask: (B, W, K) bool: which actions count.
            time: (B, W) integers from `sample_time_and_noise`.
            noise: (B, W, K * A) from `sample_time_and_noise`.

        Returns:
            Scalar: the mean over the actions that count.
        """
        clean = action.flatten(-2).clamp(-MAX_ACTION, MAX_ACTION)
        alpha_bar = self.alpha_bars[time][..., None]
        noisy_action = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
        predicted_noise = self(readout, noisy_action, time)
        error = (predicted_noise - noise).square().unflatten(-1, self.shape).sum(-1)
        return (error * mask).sum() / mask.sum().clamp(min=1)

    def sample_time_and_noise(self, readout: Tensor) -> tuple[Tensor, Tensor]:
        """Random `time` and `noise` for `loss`, from torch's default generator of the device."""
        at = readout.shape[:-1]
        time = torch.randint(self.steps, at, device=readout.device)
        noise = torch.randn(*at, math.prod(self.shape), device=readout.device)
        return time, noise

    def sample(self, readout: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions out of noise.

        Args:
            readout: (B, width).
            noise: (steps, B, K * A) Gaussian: where it begins, then what is added after every step but the last.
                Drawn from torch's default generator of the device where None.

        Returns:
            (B, K, A) normalised actions.
        """
        if noise is None:
            numbers = math.prod(self.shape)
            noise = torch.randn(self.steps, len(readout), numbers, device=readout.device)
        times = self.time(torch.arange(self.steps, device=readout.device))
        # Numbers on the host: on a GPU, indexing with them waits for nothing.
        noise_coefficient = ((1 - self.alphas) / (1 - self.alpha_bars).sqrt()).tolist()
        inverse_sqrt_alpha, sigma = self.alphas.rsqrt().tolist(), self.betas.sqrt().tolist()
        x = noise[0]
        for step in range(self.steps - 1, -1, -1):
            time = times[step].expand(len(x), -1)
            predicted_noise = self._predict_noise(time, readout, x)
            x = inverse_sqrt_alpha[step] * (x - noise_coefficient[step] * predicted_noise)
            if step > 0:
                x = x + sigma[step] * noise[self.steps - step]
            x = x.clamp(-MAX_ACTION, MAX_ACTION)
        return x.unflatten(-1, self.shape)
