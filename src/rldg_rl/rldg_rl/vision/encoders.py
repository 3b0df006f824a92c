# SPDX-License-Identifier: Apache-2.0
"""Image encoders by name, for a run that begins, and by their weights, for a policy that was trained.

DEMOS is a small network, learned from the run's own demonstrations alone; SCRATCH learns with the critics. Any other
name is that of a network trained elsewhere, see `backbones`; from what that one says the small one learns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from rldg_core.task import Task
from rldg_rl.learner_config import DEMOS, SCRATCH
from rldg_rl.vision.backbones import Backbone, Structure, read_backbone
from rldg_rl.vision.image_encoder import Encoder, ImageEncoder
from rldg_rl.vision.scratch_encoder import ScratchEncoder

_STRUCTURE = "backbone.structure"
_GOAL = "goal.0.weight"  # what learns with the critics does not tell it


def make_encoder(name: str, task: Task, seed: int) -> Encoder:
    """A new one, which has yet to learn. Raises backbones.BackboneError: there is none of that name."""
    torch.manual_seed(seed)
    if name == SCRATCH:
        return ScratchEncoder(task)
    backbone = None if name == DEMOS else read_backbone(name)
    return ImageEncoder(task, backbone).requires_grad_(False)


def encoder_of(weights: Mapping[str, np.ndarray], task: Task) -> Encoder:
    """The one that these are the weights of.

    Raises:
        ValueError: they are of another shape than the task wants, or what they belong to is not installed.
    """
    encoder = _like(weights, task)
    encoder.load(weights)
    return encoder


def _like(weights: Mapping[str, np.ndarray], task: Task) -> Encoder:
    if _GOAL not in weights:
        return ScratchEncoder(task)
    structure = weights.get(_STRUCTURE)
    backbone = None if structure is None else Backbone(Structure.of(structure.tobytes()))
    return ImageEncoder(task, backbone).requires_grad_(False)
