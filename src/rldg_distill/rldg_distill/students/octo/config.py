# SPDX-License-Identifier: Apache-2.0
"""The sizes of an Octo network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PATCH = 16
"""[pixel] side of the square that one token of an image stands for"""


@dataclass(frozen=True)
class OctoConfig:
    """Everything that decides the shapes of the parameters; the defaults are those of Octo-small.

    Raises:
        ValueError: numbers that do not fit each other.
    """

    layers: int = 12
    heads: int = 6
    width: int = 384
    """of a token inside the transformer"""
    mlp_width: int = 1536
    images: Mapping[str, int] = field(default_factory=lambda: {"primary": 256, "wrist": 128})
    """side [pixel] of the square image that every image tokenizer takes"""
    stem: tuple[int, ...] = (32, 96, 192, 384)
    """channels of the four convolutions in front of the tokens; multiples of 32"""
    patch_width: int = 512
    """of a token as it leaves the stem"""
    state_dim: int = 0
    """numbers of proprioception, one token each; 0: the network does not know of any"""
    language_tokens: int = 16
    language_width: int = 768
    max_window: int = 10
    """steps of history that there are positions for"""
    chunk: int = 4
    """actions ahead that the head predicts"""
    action_dim: int = 7
    """numbers of an action; the official weights have an arm's"""
    head_width: int = 256
    head_blocks: int = 3
    time_width: int = 32
    """of the noise level's features"""
    diffusion_steps: int = 20

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        if len(self.stem) != 4 or any(channels % 32 for channels in self.stem):
            raise ValueError(f"stem {self.stem}: four multiples of 32 are needed")
        for name, side in self.images.items():
            if side < PATCH or side % PATCH:
                raise ValueError(f"images of {name} are {side} pixels wide: {PATCH} must divide it")

    def image_tokens(self, name: str) -> int:
        """Tokens of one image of a tokenizer."""
        return (self.images[name] // PATCH) ** 2


SIZES: Mapping[str, OctoConfig] = {
    # Wrist images of the twin as they are, the sentence as one token: trains on two CPU cores.
    "tiny": OctoConfig(
        layers=4,
        heads=4,
        width=128,
        mlp_width=512,
        images={"primary": 128},
        stem=(32, 64, 96, 128),
        patch_width=128,
        language_tokens=1,
        language_width=384,
    ),
    "small": OctoConfig(),
    "base": OctoConfig(heads=12, width=768, mlp_width=3072),
}
"""`small` and `base` have the shapes of the official checkpoints octo-small-1.5 and octo-base-1.5"""
