# SPDX-License-Identifier: Apache-2.0
"""Where an episode comes from, as the leaves of a dataset: of an arm, the teacher's scale is two numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rldg_core.arm_spaces import ARM
from rldg_core.space import Space
from rldg_distill.datasets.episode import EpisodeMetadata, arm_scale

FLOATS = "floats"
"""kind of the scale in a space of another body: a number for every motion"""
_PLAIN = {field.name: str(field.type) for field in fields(EpisodeMetadata) if field.name != "scale"}


def kinds(action: Space) -> dict[str, str]:
    """int, bool, str, float or `FLOATS`, of every leaf by name.

    Args:
        action: of the dataset.
    """
    if action == ARM.action:
        return _PLAIN | {"translation_scale": "float", "rotation_scale": "float"}
    return _PLAIN | {"scale": FLOATS}


def leaves(metadata: EpisodeMetadata, action: Space) -> dict[str, Any]:
    """The value of every leaf."""
    plain = {name: getattr(metadata, name) for name in _PLAIN}
    if action == ARM.action:
        translation, *_, rotation = metadata.scale
        return plain | {"translation_scale": translation, "rotation_scale": rotation}
    return plain | {"scale": metadata.scale}


def metadata_of(values: Mapping[str, Any], action: Space) -> EpisodeMetadata:
    """Inverse of `leaves`.

    Raises:
        KeyError: a leaf is missing.
        ValueError: the scale has another length than the space's motions.
    """
    plain = {name: values[name] for name in _PLAIN}
    if action == ARM.action:
        scale = arm_scale(values["translation_scale"], values["rotation_scale"])
    else:
        scale = tuple(values["scale"])
    if len(scale) != action.motions:
        raise ValueError(f"{len(scale)} scales for {action.motions} motions")
    return EpisodeMetadata(**plain, scale=scale)
