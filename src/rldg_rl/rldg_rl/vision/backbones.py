# SPDX-License-Identifier: Apache-2.0
"""Somebody else's network, frozen: from an image to a coarse map of features, which keeps where things are.

Two ways to name one, both of local files, and nothing is downloaded. A folder is a ResNet of any depth as transformers
keeps it: config.json and model.safetensors. timm:<name>:<file> is a network of timm, which must be installed, and its
weights in safetensors.

Of its stages those are kept that lead to the deepest map of at least GRID × GRID cells: deeper ones know better what is
seen, but not where. HIL-SERL (Luo et al. 2024) learns from pixels with a frozen ResNet of ImageNet as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from rldg_rl.vision.pixels import GRID, IMAGE_SIZE

RESNET, TIMM = "resnet", "timm"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""mean and standard deviation of ImageNet's pixels in [0, 1]"""
_RESNET_SIZES = (
    *("depths", "hidden_sizes", "embedding_size", "layer_type", "hidden_act"),
    *("downsample_in_first_stage", "downsample_in_bottleneck"),
)


class BackboneError(ValueError):
    """There is no such network, or its file holds another; the message says what to give."""


@dataclass(frozen=True)
class Structure:
    """What a network is, without its weights."""

    family: str
    """RESNET or TIMM"""
    sizes: Mapping[str, Any]
    """RESNET: of transformers' configuration; TIMM: the name, and the stage that is its last"""
    normal: tuple[tuple[float, ...], tuple[float, ...]] = field(default=IMAGENET)
    """mean and standard deviation of the pixels in [0, 1] that it has learned from"""

    @classmethod
    def of(cls, text: str) -> Structure:
        """Inverse of str."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        """As it travels with the weights."""
        return json.dumps(asdict(self))


class Backbone(nn.Module):
    """Maps pixels (see `pixels.as_pixels`) to (rows, channels, GRID, GRID)."""

    def __init__(self, structure: Structure, network: nn.Module | None = None) -> None:
        """Make it with any weights, or of a network that has its own. Raises BackboneError."""
        super().__init__()
        self._family = structure.family
        self.network = network or _FAMILIES[structure.family](structure)
        self._mean, self._std = torch.tensor(structure.normal)[..., None, None]
        told = torch.frombuffer(bytearray(str(structure).encode()), dtype=torch.uint8)
        self.register_buffer("structure", told)
        self.requires_grad_(False).eval()
        self.channels: int = self(torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE)).shape[1]

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        seen = self.network(((pixels + 1.0) / 2.0 - self._mean) / self._std)
        deepest = seen.last_hidden_state if self._family == RESNET else seen[-1]
        return nn.functional.adaptive_avg_pool2d(deepest, GRID)


def read_backbone(name: str) -> Backbone:
    """The network of this name, see the module. Raises BackboneError."""
    if name.startswith(f"{TIMM}:"):
        try:
            _, model, file = name.split(":", 2)
        except ValueError:
            raise BackboneError(f"{name} is not timm:<name>:<file.safetensors>") from None
        return _read_timm(model, Path(file))
    return _read_resnet(Path(name))


def _read_resnet(folder: Path) -> Backbone:
    try:
        told = json.loads((folder / "config.json").read_text())
        weights = safetensors.torch.load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise BackboneError(
            f"cannot read a ResNet from {folder} ({error}): give a folder with config.json and model.safetensors, "
            "such as a copy of microsoft/resnet-18"
        ) from error
    if told.get("model_type") != RESNET:
        raise BackboneError(
            f"{folder} holds a network of type {told.get('model_type')}: of transformers' only resnet is known; "
            "encoder:=timm:<name>:<file.safetensors> knows many more"
        )
    config = _transformers().ResNetConfig.from_dict(told)
    sizes = {name: getattr(config, name) for name in _RESNET_SIZES}
    stride = 8 if sizes["downsample_in_first_stage"] else 4
    stages = 1
    while stages < len(sizes["depths"]) and IMAGE_SIZE // (2 * stride) >= GRID:
        stages, stride = stages + 1, 2 * stride
    sizes |= {name: sizes[name][:stages] for name in ("depths", "hidden_sizes")}
    backbone = Backbone(Structure(RESNET, sizes))
    given = {name.removeprefix("resnet."): tensor for name, tensor in weights.items()}
    own = backbone.network.state_dict()
    try:  # later stages and the classifier are left out
        backbone.network.load_state_dict({n: t for n, t in given.items() if n in own})
    except RuntimeError as error:
        raise BackboneError(
            f"{folder / 'model.safetensors'} does not fit its config.json: {error}"
        ) from error
    return backbone


def _resnet(structure: Structure) -> nn.Module:
    transformers = _transformers()
    with torch.random.fork_rng(devices=[]):  # drawing first weights must not move anyone's seed
        network: nn.Module = transformers.ResNetModel(transformers.ResNetConfig(**structure.sizes))
    return network


def _transformers() -> Any:
    return import_module("transformers")  # slow: only for those who see with it


def _read_timm(name: str, file: Path) -> Backbone:
    if not file.is_file():
        raise BackboneError(f"there is no file {file}: give timm:<name>:<file.safetensors>")
    try:  # timm would unpickle any other file
        with safetensors.safe_open(file, "pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise BackboneError(
            f"{file} is not in safetensors ({error}), and nothing else is read, since it could run code: convert it "
            "with safetensors.torch.save_file"
        ) from error
    timm = _import_timm()
    try:
        reductions = timm.create_model(name, features_only=True).feature_info.reduction()
        stage = max(n for n, by in enumerate(reductions) if IMAGE_SIZE // by >= GRID)
        network = timm.create_model(
            name,
            features_only=True,
            out_indices=(stage,),
            pretrained=True,
            pretrained_cfg_overlay={"file": str(file)},
        )
        told = timm.get_pretrained_cfg(name)
        structure = Structure(TIMM, {"name": name, "stage": stage}, (told.mean, told.std))
        return Backbone(structure, network)
    except (RuntimeError, ValueError, AssertionError, AttributeError, SafetensorError) as error:
        raise BackboneError(f"timm cannot make {name} of {file}: {error}") from error


def _timm(structure: Structure) -> nn.Module:
    name, stage = structure.sizes["name"], structure.sizes["stage"]
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = _import_timm().create_model(
            name, features_only=True, out_indices=(stage,)
        )
    return network


def _import_timm() -> Any:
    try:
        return import_module("timm")
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch raises the latter
        raise BackboneError(
            f"encoder:=timm:… needs timm ({error}): ./.venv/bin/pip install --no-deps timm torchvision, the latter of "
            "the version that goes with the installed torch"
        ) from error


_FAMILIES = {RESNET: _resnet, TIMM: _timm}
