# SPDX-License-Identifier: Apache-2.0
"""What a specialist sees of the wrist image: features of a small network that knows where the goal is.

The network learns it once from the run's own demonstrations, see `encoder_training`, and is frozen then. So an image is
looked at once, when it comes; what it says is kept, in a few variants, and an update costs what one of the state does.
It looks at the image itself, or at what a network makes of it that was trained elsewhere, see `backbones`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from rldg_core.task import Task
from rldg_distill.weights import check_fit
from rldg_rl.episodes.step import StoredStep
from rldg_rl.robot.observation import GOAL, LIMIT, body_dim, body_part
from rldg_rl.vision.backbones import Backbone
from rldg_rl.vision.pixels import GRID, as_pixels, in_variants

CHANNELS = (3, 16, 32, 32, 32)
"""of the maps; each has half the cells of the one before, the last GRID on each side"""
FEATURES = 32
HIDDEN = 128


def image_layers(width: int) -> list[nn.Module]:
    """From pixels (see `as_pixels`) to so many numbers, linearly at the end."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(CHANNELS):
        size = 3 if layers else 5
        layers += [nn.Conv2d(fan_in, fan_out, size, 2, size // 2), nn.ReLU()]
    return [*layers, nn.Flatten(), nn.Linear(CHANNELS[-1] * GRID**2, width)]


class Encoder(nn.Module):
    """Maps wrist image and body (see `observation.body_part`) to what the specialist's networks take."""

    def __init__(self, task: Task, width: int) -> None:
        """Give an image `width` features."""
        super().__init__()
        self.body_dim = body_dim(task)
        self.output_dim = self.body_dim + width
        """length of what `encode` gives for an image"""

    def observe(self, pixels: Tensor, body: Tensor) -> Tensor:
        """What the specialist takes, (rows, output_dim), the body first.

        Args:
            pixels: (rows, 3, IMAGE_SIZE, IMAGE_SIZE) in [-1, 1], see `as_pixels`.
            body: (rows, body_dim).
        """
        raise NotImplementedError

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """All weights by name, in place."""
        return {name: tensor.numpy() for name, tensor in self.state_dict().items()}

    @torch.no_grad()
    def encode(
        self, image: np.ndarray, body: np.ndarray, generator: torch.Generator | None = None
    ) -> np.ndarray:
        """See `observe`; (rows, output_dim) float32.

        Args:
            image: (IMAGE_SIZE, IMAGE_SIZE, 3) uint8.
            body: (body_dim,).
            generator: draws variants: there are VARIANTS rows then, otherwise one. The first is of the image as it is.

        Raises:
            ValueError: the image is of another size.
        """
        pixels = as_pixels(image[None])
        if generator is not None:
            pixels = in_variants(pixels, generator)
        bodies = torch.from_numpy(np.asarray(body, np.float32)).expand(len(pixels), -1)
        return self.observe(pixels, bodies).numpy()

    def load(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take over weights.

        Raises:
            ValueError: they are of another shape.
        """
        weights = {n: torch.from_numpy(np.array(t)) for n, t in tensors.items()}
        check_fit(weights, self.state_dict(), "the encoder")
        self.load_state_dict(weights)


class ImageEncoder(Encoder):
    """Tells features and the goal's place, which it learns from demonstrations before the training."""

    def __init__(self, task: Task, backbone: Backbone | None = None) -> None:
        super().__init__(task, FEATURES + GOAL)
        self.backbone = backbone
        """frozen, whatever is learned; None: it looks at the pixels"""
        layers = map_layers(backbone.channels, FEATURES) if backbone else image_layers(FEATURES)
        self.features = nn.Sequential(*layers, nn.LayerNorm(FEATURES), nn.Tanh())
        self.goal = nn.Sequential(
            nn.Linear(FEATURES + self.body_dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, GOAL)
        )
        self.updates: Tensor
        self.register_buffer("updates", torch.zeros(1))

    @property
    def is_trained(self) -> bool:
        """Whether it has learned to see."""
        return bool(self.updates > 0)

    def forward(self, pixels: Tensor, body: Tensor) -> tuple[Tensor, Tensor]:
        """Features and the goal's place, (rows, FEATURES) and (rows, GOAL), of what `observe` takes."""
        return self.tell(self.view(pixels), body)

    def view(self, pixels: Tensor) -> Tensor:
        """What is learned from: the backbone's map, or the pixels."""
        return pixels if self.backbone is None else self.backbone(pixels)

    def tell(self, view: Tensor, body: Tensor) -> tuple[Tensor, Tensor]:
        """The learned part of `forward`."""
        features = self.features(view)
        return features, self.goal(torch.cat((features, body), 1))

    def observe(self, pixels: Tensor, body: Tensor) -> Tensor:
        """See `Encoder`."""
        features, goal = self(pixels, body)
        return torch.cat((body, features, goal.clamp(-LIMIT, LIMIT)), 1)


def map_layers(channels: int, width: int) -> list[nn.Module]:
    """From a backbone's map to so many numbers, as `image_layers` ends."""
    last = CHANNELS[-1]
    to_few = (nn.Conv2d(channels, last, 1), nn.ReLU())
    return [*to_few, nn.Flatten(), nn.Linear(last * GRID**2, width)]


def encoded(
    step: StoredStep, encoder: ImageEncoder, task: Task, generator: torch.Generator
) -> StoredStep:
    """A step as the buffer of an agent that sees keeps it: its observations are (VARIANTS, output_dim)."""
    assert step.image is not None, "the actor sent no image"
    after = step.next_observation
    if after is not None:
        assert step.next_image is not None, "the actor sent no last image"
        after = encoder.encode(step.next_image, body_part(after, task), generator)
    return replace(
        step,
        observation=encoder.encode(step.image, body_part(step.observation, task), generator),
        next_observation=after,
        image=None,
        next_image=None,
    )


def is_blind(encoder: Encoder | None) -> bool:
    """Whether an encoder has to learn to see before anything can be learned from images."""
    return isinstance(encoder, ImageEncoder) and not encoder.is_trained
