# SPDX-License-Identifier: Apache-2.0
"""Image encoders by name, for a run that begins, and by their weights, for a policy that was trained.

`demos` is a small network, learned from the run's own demonstrations alone. Any other name is that of a network trained
elsewhere, see `backbones`; from what that one says the small one learns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from rldg_rl.backbones import Backbone, Structure, read_backbone
from rldg_rl.image_encoder import ImageEncoder
from rldg_robot.task import Task

DEMOS = "demos"
_STRUCTURE = "backbone.structure"


def make_encoder(name: str, task: Task, seed: int) -> ImageEncoder:
    """A new one, which has yet to learn; frozen. Raises backbones.BackboneError: there is none of that name."""
    backbone = None if name == DEMOS else read_backbone(name)
    torch.manual_seed(seed)
    return ImageEncoder(task, backbone).requires_grad_(False)


def encoder_of(weights: Mapping[str, np.ndarray], task: Task) -> ImageEncoder:
    """The one that these are the weights of; frozen.

    Raises:
        ValueError: they are of another shape than the task wants, or what they belong to is not installed.
    """
    structure = weights.get(_STRUCTURE)
    backbone = None if structure is None else Backbone(Structure.of(structure.tobytes().decode()))
    encoder = ImageEncoder(task, backbone).requires_grad_(False)
    encoder.load(weights)
    return encoder
