# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on the layers of an OpenVLA that matter, through peft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from peft import LoraConfig, PeftModel, get_peft_model

from rldg_distill.students.openvla.config import OpenVLAConfig
from rldg_distill.students.openvla.model import OpenVLA


@dataclass(frozen=True)
class LoraSettings:
    """Adapters of OpenVLA's recipe: rank 32, alpha 16, no dropout, Gaussian start."""

    rank: int = 32
    alpha: int = 16
    """an adapter's output is scaled by alpha / rank"""
    dropout: float = 0.0
    output: bool = False
    """adapt the language model's output layer (`lm_head`) too, as OpenVLA's own script does"""

    def __post_init__(self) -> None:
        if self.rank < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"no adapter has rank {self.rank} and dropout {self.dropout}")


def targets(config: OpenVLAConfig, settings: LoraSettings) -> str:
    """A regular expression of the linear layers that are adapted.

    All of them in the live blocks of both towers, in the projector and in the Llama. OpenVLA's own script takes every
    linear layer and convolution that there is. Here the last block of each tower and SigLIP's pooling are left out:
    nothing comes of them. So are the two patch embeddings, which know edges and colours already and would get 0.1 M
    parameters of 108 M; and `lm_head`, unless asked for.
    """
    blocks = r"blocks\.({})\.(attn\.(qkv|proj)|mlp\.fc[12])"
    towers = {"featurizer": config.dino, "fused_featurizer": config.siglip}
    parts = [
        rf"vision_backbone\.{name}\." + blocks.format("|".join(map(str, range(tower.depth - 1))))
        for name, tower in towers.items()
    ]
    parts += [
        r"projector\.fc[123]",
        r"language_model\.model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)",
    ]
    if settings.output:
        parts.append(r"language_model\.lm_head")
    return "|".join(parts)


def add(model: OpenVLA, settings: LoraSettings) -> PeftModel:
    """The model with adapters, which alone are trainable."""
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets(model.config, settings),
        init_lora_weights="gaussian",
    )
    return get_peft_model(model, config)


def count_adapted(config: OpenVLAConfig, settings: LoraSettings) -> int:
    """Trainable parameters that `add` gives: rank · (inputs + outputs) over all adapted layers."""

    def block(width: int, hidden: int) -> int:
        return (width + 3 * width) + (width + width) + 2 * (width + hidden)

    sides = sum(
        (tower.depth - 1) * block(tower.width, tower.hidden)
        for tower in (config.dino, config.siglip)
    )
    vision, language = config.dino.width + config.siglip.width, config.language.hidden_size
    sides += (vision + 4 * vision) + (4 * vision + language) + 2 * language
    layer = 4 * 2 * language + 3 * (language + config.language.intermediate_size)
    sides += config.language.num_hidden_layers * layer
    if settings.output:
        sides += language + config.language.vocab_size
    return settings.rank * sides


def merge(model: PeftModel) -> OpenVLA:
    """The model with its adapters added into its weights: as fast as without them."""
    return cast(OpenVLA, model.merge_and_unload())
