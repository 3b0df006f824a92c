# SPDX-License-Identifier: Apache-2.0
"""The sizes of an OpenVLA: of the official 7B, read from its config.json, and of a `tiny` of the same structure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import dacite

from rldg_distill.students.student import StudentError

BACKBONE = "dinosiglip-vit-so-224px"
ARCHITECTURE = "no-align+fused-gelu-mlp"
LANGUAGE_MODEL = "llama2-7b-pure"
RESIZE_STRATEGIES = ("resize-naive", "letterbox")
OURS, OFFICIAL = "openvla.json", "config.json"


@dataclass(frozen=True)
class TowerConfig:
    """A vision transformer over square patches of `PATCH` pixels."""

    width: int
    depth: int
    """blocks in the checkpoint; the features are those behind the last but one"""
    heads: int
    hidden: int
    """width of the blocks' MLP"""
    registers: int | None = None
    """register tokens behind a class token; None: neither"""
    layer_scale: bool = False
    """every residual branch is scaled per channel"""
    attention_pool: bool = False
    """the checkpoint holds a pooling head, which OpenVLA does not use"""


@dataclass(frozen=True)
class LanguageConfig:
    """A Llama; field names and defaults are transformers', as config.json's `text_config` relies on them."""

    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 32
    vocab_size: int = 32064
    """rows of embedding and output, padding included"""
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    bos_token_id: int = 1
    eos_token_id: int = 2
    pad_token_id: int = 32000


@dataclass(frozen=True)
class OpenVLAConfig:
    """Everything that the weights' shapes and the meaning of inputs and outputs depend on.

    The defaults are those of `openvla/openvla-7b`: 7,541,237,184 parameters in 982 tensors.
    """

    dino: TowerConfig = TowerConfig(1024, 24, 16, 4096, registers=4, layer_scale=True)
    """`vision_backbone.featurizer`: DINOv2 ViT-L/14 with registers"""
    siglip: TowerConfig = TowerConfig(1152, 27, 16, 4304, attention_pool=True)
    """`vision_backbone.fused_featurizer`: SigLIP SO400M/14"""
    language: LanguageConfig = LanguageConfig()
    image_size: int = 224
    """side of the square that both towers see [px]"""
    image_resize_strategy: str = "resize-naive"
    """`resize-naive` stretches an image to the square; `letterbox`, which pads it first, is the same for square ones"""
    pad_to_multiple_of: int = 64
    """rows of the vocabulary that stand behind its last token; the action tokens end before them"""
    n_action_bins: int = 256
    norm_stats: dict[str, Any] = field(default_factory=dict)
    """dataset -> statistics of its actions, as the official config.json holds them"""

    def __post_init__(self) -> None:
        if self.image_resize_strategy not in RESIZE_STRATEGIES:
            raise ValueError(
                f"no way to resize images is called '{self.image_resize_strategy}'; "
                f"there are: {', '.join(RESIZE_STRATEGIES)}"
            )

    @property
    def vocabulary(self) -> int:
        """Tokens without padding; the last `n_action_bins` of them stand for actions."""
        return self.language.vocab_size - self.pad_to_multiple_of


def tiny() -> OpenVLAConfig:
    """The same structure at a size that two CPU cores train: 1.3 M parameters, 64 patches an image."""
    return OpenVLAConfig(
        dino=TowerConfig(64, 3, 4, 128, registers=4, layer_scale=True),
        siglip=TowerConfig(96, 3, 4, 192, attention_pool=True),
        language=LanguageConfig(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            vocab_size=580,
            pad_token_id=516,
        ),
        image_size=112,
    )


SIZES = {"tiny": tiny(), "7b": OpenVLAConfig()}


def read(folder: Path) -> OpenVLAConfig:
    """The configuration of a checkpoint: one that this program wrote, else one as OpenVLA publishes it.

    Raises:
        StudentError: there is none, or it is of another model.
    """
    path = folder / (OURS if (folder / OURS).exists() else OFFICIAL)
    try:
        raw = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise StudentError(
            f"{path} cannot be read ({error}): an OpenVLA checkpoint is a folder with {OFFICIAL}, tokenizer.json and "
            "safetensors"
        ) from error
    try:
        return from_dict(raw) if path.name == OURS else from_official(raw)
    except ValueError as error:
        raise StudentError(f"{path}: {error}") from error


def write(config: OpenVLAConfig, folder: Path) -> None:
    """Writes openvla.json, which `read` reads."""
    (folder / OURS).write_text(json.dumps(asdict(config), indent=2) + "\n")


def from_official(raw: dict[str, Any]) -> OpenVLAConfig:
    """Of the content of an official config.json.

    Raises:
        ValueError: it is of another model.
    """
    expected = {
        "model_type": "openvla",
        "vision_backbone_id": BACKBONE,
        "llm_backbone_id": LANGUAGE_MODEL,
        "arch_specifier": ARCHITECTURE,
    }
    for name, value in expected.items():
        if raw.get(name) != value:
            raise ValueError(f"{name} is {raw.get(name)!r}, and only {value!r} is known here")
    known = set(LanguageConfig.__dataclass_fields__)
    text = {name: value for name, value in raw.get("text_config", {}).items() if name in known}
    kept = ("image_resize_strategy", "pad_to_multiple_of", "n_action_bins", "norm_stats")
    found = {name: raw[name] for name in kept if raw.get(name) is not None}
    # PrismaticConfig's own default where the file is silent.
    found.setdefault("image_resize_strategy", "letterbox")
    return OpenVLAConfig(language=LanguageConfig(**text), **found)


def from_dict(raw: dict[str, Any]) -> OpenVLAConfig:
    """Of the content of an openvla.json.

    Raises:
        ValueError: a field is unknown, missing or of another type.
    """
    try:
        return dacite.from_dict(OpenVLAConfig, raw, dacite.Config(strict=True))
    except dacite.DaciteError as error:
        raise ValueError(f"not the configuration of an OpenVLA: {error}") from error
