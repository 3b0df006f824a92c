# SPDX-License-Identifier: Apache-2.0
"""From images to tokens: four convolutions, then one token for every 16 x 16 pixels (Octo's SmallStem16)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rldg_distill.students.octo.initial import dense, lecun_normal_

CHANNELS = 6
"""the image, and the goal's image behind it"""


class StandardizedConv(nn.Conv2d):
    """3 x 3, stride 2, with filters of mean 0 and standard deviation 1 (Qiao et al. 2019, arXiv:1903.10520)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=3, stride=2, padding=1)
        lecun_normal_(self.weight)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/2, W/2)."""
        filters = self.weight.flatten(1)
        centred = filters - filters.mean(1, keepdim=True)
        std = centred.square().mean(1, keepdim=True).sqrt()  # several times faster than torch.std
        weight = (centred / (std + 1e-5)).view_as(self.weight)
        return functional.conv2d(images, weight, self.bias, self.stride, self.padding)


class Stem(nn.Module):
    """Images and their goal to tokens."""

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        inputs = (CHANNELS, *channels[:-1])
        self.convolutions = nn.ModuleList(map(StandardizedConv, inputs, channels))
        self.norms = nn.ModuleList(nn.GroupNorm(32, count, eps=1e-6) for count in channels)
        self.embedding = dense(channels[-1], width)

    def forward(self, images: Tensor, goals: Tensor | None) -> Tensor:
        """Tokens row by row.

        Args:
            images: (N, H, W, 3) uint8.
            goals: the same of the images to be reached; None stands for black ones.

        Returns:
            (N, H/16 * W/16, width) float32.
        """
        pixels = torch.cat((images, torch.zeros_like(images) if goals is None else goals), -1)
        # A view: the bytes lie channels last, as convolutions on processors like them.
        x = (pixels.to(self.embedding.weight.dtype) / 127.5 - 1.0).permute(0, 3, 1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolution(x)))
        tokens: Tensor = self.embedding(x.flatten(2).transpose(1, 2))
        return tokens
