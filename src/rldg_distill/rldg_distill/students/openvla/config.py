# SPDX-License-Identifier: Apache-2.0
"""The sizes of an OpenVLA: of the official 7B, read from its config.json, and of a `tiny` of the same structure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import read_json
from rldg_core.user_error import UserError
from rldg_distill.students.card import StudentError

BACKBONE = "dinosiglip-vit-so-224px"
ARCHITECTURE = "no-align+fused-gelu-mlp"
LANGUAGE_MODEL = "llama2-7b-pure"
RESIZE_STRATEGIES = ("resize-naive", "letterbox")
OURS, OFFICIAL = "openvla.json", "config.json"
EXPECTED = {
    "model_type": "openvla",
    "vision_backbone_id": BACKBONE,
    "llm_backbone_id": LANGUAGE_MODEL,
    "arch_specifier": ARCHITECTURE,
}
"""of an official config.json; other models have other networks"""
FIX = f"An OpenVLA checkpoint is a folder with {OFFICIAL}, tokenizer.json and safetensors: copy it again"
LARGEST = 1 << 20
"""of any size: a network of more has no weights"""
MOST_LAYERS = 512
PATCH = 14
"""side of a patch [px]"""
LARGEST_SIDE = 1024
"""[pixel] of an image"""


def _check(config: Any, layers: str, heads: Sequence[str], width: int) -> None:
    """Whether a network of these sizes can be.

    Raises:
        ValueError: not so.
    """
    for name, value in vars(config).items():
        # Not of tokens, whose numbers begin with 0.
        least = 0 if name.endswith("_id") else 1
        if type(value) is int and not least <= value <= LARGEST:
            raise ValueError(f"{name} cannot be {value}")
    if getattr(config, layers) > MOST_LAYERS:
        raise ValueError(f"{layers} is {getattr(config, layers)}, and may be {MOST_LAYERS} at most")
    for name in heads:
        if width % getattr(config, name):
            raise ValueError(f"{name} is {getattr(config, name)}, which does not divide {width}")


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

    def __post_init__(self) -> None:
        _check(self, "depth", ("heads",), self.width)


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

    def __post_init__(self) -> None:
        _check(self, "num_hidden_layers", ("num_attention_heads",), self.hidden_size)
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("num_key_value_heads does not divide num_attention_heads")
        ids = (self.bos_token_id, self.eos_token_id, self.pad_token_id)
        if max(ids) >= self.vocab_size:
            raise ValueError(f"a token {max(ids)} in a vocabulary of {self.vocab_size}")
        if not (0 < self.rms_norm_eps < 1 and self.rope_theta >= 1):
            raise ValueError("rms_norm_eps or rope_theta cannot be")


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
                f"no way to resize images is called '{self.image_resize_strategy[:40]}'; "
                f"there are: {', '.join(RESIZE_STRATEGIES)}"
            )
        if not PATCH <= self.image_size <= LARGEST_SIDE:
            raise ValueError(f"image_size cannot be {self.image_size}")
        if not (self.n_action_bins >= 2 and self.pad_to_multiple_of >= 0):
            raise ValueError("n_action_bins or pad_to_multiple_of cannot be")
        if self.n_action_bins > self.vocabulary:
            raise ValueError(f"{self.n_action_bins} action bins in {self.vocabulary} tokens")

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
    try:
        if (folder / OURS).exists():
            return read_json(folder / OURS, OpenVLAConfig, fix=FIX, strict=True)
        return read_json(folder / OFFICIAL, _Official, fix=FIX).config()
    except OSError as error:
        raise StudentError(
            f"{folder / OFFICIAL} cannot be read ({error.strerror}). {FIX}"
        ) from error
    except UserError as error:
        raise StudentError(str(error)) from error


def write(config: OpenVLAConfig, folder: Path) -> None:
    """Writes openvla.json, which `read` reads."""
    write_atomically(folder / OURS, json.dumps(asdict(config), indent=2) + "\n")


@dataclass(frozen=True)
class _Official:
    """Of config.json as OpenVLA publishes it. Every field may be missing, and null is as good."""

    model_type: str | None = None
    vision_backbone_id: str | None = None
    llm_backbone_id: str | None = None
    arch_specifier: str | None = None
    image_resize_strategy: str | None = None
    pad_to_multiple_of: int | None = None
    n_action_bins: int | None = None
    norm_stats: dict[str, Any] | None = None
    text_config: LanguageConfig = LanguageConfig()

    def __post_init__(self) -> None:
        for name, value in EXPECTED.items():
            found = getattr(self, name)
            if found != value:
                raise ValueError(f"{name} is {str(found)[:60]!r}, and only {value!r} is known here")

    def config(self) -> OpenVLAConfig:
        kept = ("pad_to_multiple_of", "n_action_bins", "norm_stats")
        found = {name: value for name in kept if (value := getattr(self, name)) is not None}
        # PrismaticConfig's own default where the file is silent.
        resize = self.image_resize_strategy or "letterbox"
        return OpenVLAConfig(language=self.text_config, image_resize_strategy=resize, **found)
