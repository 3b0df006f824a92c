# SPDX-License-Identifier: Apache-2.0
"""From images to what both vision towers see, as OpenVLA's processor does it, without torchvision.

Images come in the towers' size already: OpenVLA's data pipeline and its evaluations resize with Lanczos, as
`students.images` does, and its processor, which would resize with a bicubic filter, then has nothing left to resize.
"""

from __future__ import annotations

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406, 0.5, 0.5, 0.5)
STD = (0.229, 0.224, 0.225, 0.5, 0.5, 0.5)
"""of ImageNet for DINOv2, then of SigLIP"""


def pixel_values(images: Tensor) -> Tensor:
    """(..., S, S, 3) uint8 RGB to (..., 6, S, S) float32: normalised for DINOv2, then for SigLIP."""
    mean, std = (torch.tensor(row, device=images.device)[:, None, None] for row in (MEAN, STD))
    channels = images.movedim(-1, -3).float() / 255
    return (torch.cat([channels, channels], -3) - mean) / std
