# SPDX-License-Identifier: Apache-2.0
"""An image encoder that learns with the critics, as from pixels in RLPD (Ball et al. 2023), DrQ (Yarats et al. 2021).

The critics' loss alone moves it: what they want changed of the features of an image is the gradient on their input.
Policy and targets take what it says as given. So the images themselves are kept, and every batch is looked at anew: an
update costs many times what it costs with an encoder that is frozen.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from rldg_core.task import Task
from rldg_rl.episodes.replay_buffer import TransitionBatch
from rldg_rl.episodes.step import StoredStep
from rldg_rl.robot.observation import body_part
from rldg_rl.vision.image_encoder import FEATURES, Encoder, image_layers
from rldg_rl.vision.pixels import as_pixels, varied


class ScratchEncoder(Encoder):
    """Tells features. `flat` holds all weights, `gradient` is of the same length, as in `networks.StackedMLP`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, FEATURES)
        self.features = nn.Sequential(*image_layers(FEATURES), nn.LayerNorm(FEATURES), nn.Tanh())
        self.flat = nn.utils.parameters_to_vector(self.parameters()).detach()
        self.gradient = torch.zeros_like(self.flat)
        views = zip(self.views(self.flat).values(), self.views(self.gradient).values(), strict=True)
        for parameter, (weight, gradient) in zip(self.parameters(), views, strict=True):
            parameter.data, parameter.grad = weight, gradient

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The weights by name in a vector of the length of `flat`, in place."""
        shapes = {name: parameter.shape for name, parameter in self.named_parameters()}
        parts = torch.split(flat, [math.prod(shape) for shape in shapes.values()])
        return {
            name: part.view(shape)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }

    def observe(self, pixels: Tensor, body: Tensor) -> Tensor:
        """See `Encoder`."""
        return torch.cat((body, self.features(pixels)), 1)

    def encode_batch(
        self, batch: TransitionBatch, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Observations and next ones of a batch with images, under other light; the former lead back to the weights."""
        assert batch.image is not None and batch.next_image is not None, "the buffer kept no image"
        pixels = varied(as_pixels(batch.image), generator)
        encoded = self.observe(pixels, torch.from_numpy(batch.observation))
        with torch.no_grad():
            pixels = varied(as_pixels(batch.next_image), generator)
            return encoded, self.observe(pixels, torch.from_numpy(batch.next_observation))

    def backward(self, encoded: Tensor, gradient: Tensor) -> None:
        """From the gradient of a loss on what `encode_batch` gave first, overwrites that of the weights."""
        self.gradient.zero_()
        encoded.backward(gradient)


def unseen(step: StoredStep, task: Task) -> StoredStep:
    """A step as the buffer keeps it for this encoder: the body, and the image as it came."""
    after = step.next_observation
    return replace(
        step,
        observation=body_part(step.observation, task),
        next_observation=None if after is None else body_part(after, task),
    )
