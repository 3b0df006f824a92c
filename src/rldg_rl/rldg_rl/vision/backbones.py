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

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from rldg_core.files.checked_file import FormatError, parse_json, read_json, typed
from rldg_core.files.safe_name import UnsafeName, check_name
from rldg_core.user_error import UserError
from rldg_distill.weights import WeightsError, check_fit, read_weights
from rldg_rl.vision.pixels import GRID, IMAGE_SIZE

RESNET, TIMM = "resnet", "timm"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""mean and standard deviation of ImageNet's pixels in [0, 1]"""
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "gelu", "silu", "swish", "mish", "elu", "tanh")
MOST_LAYERS, WIDEST, MOST_STAGES, MOST_NUMBERS = 200, 8192, 8, 1 << 29
"""layers of a stage, its channels, stages, weights of all: a network of more is none that a step waits for"""


class BackboneError(UserError, ValueError):
    """There is no such network, or its file holds another; the message says what to give."""


@dataclass(frozen=True)
class ResNetSizes:
    """Of transformers' configuration, whose names and defaults these are, as far as the map depends on it.

    Raises:
        ValueError: sizes that cannot be.
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    hidden_sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    embedding_size: int = 64
    layer_type: str = "bottleneck"
    hidden_act: str = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False

    def __post_init__(self) -> None:
        if len(self.depths) != len(self.hidden_sizes) or not 0 < len(self.depths) <= MOST_STAGES:
            raise ValueError("depths and hidden_sizes have as many numbers as there are stages")
        if not all(0 < depth <= MOST_LAYERS for depth in self.depths):
            raise ValueError(f"a stage has 1 to {MOST_LAYERS} layers")
        if not all(4 <= width <= WIDEST for width in (*self.hidden_sizes, self.embedding_size)):
            raise ValueError(f"a layer has 4 to {WIDEST} channels")
        factors = {"basic": 18, "bottleneck": 2}
        if self.layer_type not in factors:
            raise ValueError(f"layer_type is one of {', '.join(factors)}")
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act is one of {', '.join(ACTIVATIONS)}")
        layers = zip(self.depths, self.hidden_sizes, strict=True)
        if factors[self.layer_type] * sum(n * width**2 for n, width in layers) > MOST_NUMBERS:
            raise ValueError("it is too large to look at every step")


@dataclass(frozen=True)
class TimmSizes:
    """Which of timm's networks, and the stage that is its last.

    Raises:
        ValueError: timm has none such.
    """

    name: str
    stage: int

    def __post_init__(self) -> None:
        check_name(self.name, "a network of timm")  # another would be fetched from afar
        if not 0 <= self.stage <= MOST_STAGES:
            raise ValueError(f"a stage {self.stage}")


_SIZES: Mapping[str, type[Any]] = {RESNET: ResNetSizes, TIMM: TimmSizes}


@dataclass(frozen=True)
class _ModelConfig:
    """Which network a config.json is of."""

    model_type: str = "none"


@dataclass(frozen=True)
class Structure:
    """What a network is, without its weights.

    Raises:
        BackboneError: it cannot be.
    """

    family: str
    """RESNET or TIMM"""
    sizes: dict[str, Any]
    """RESNET: of transformers' configuration; TIMM: the name, and the stage that is its last"""
    normal: tuple[tuple[float, ...], ...] = field(default=IMAGENET)
    """mean and standard deviation of the pixels in [0, 1] that it has learned from"""

    @classmethod
    def of(cls, text: str | bytes) -> Structure:
        """Inverse of str. Raises BackboneError."""
        try:
            return parse_json(text, cls, "the encoder's network")
        except FormatError as error:
            raise BackboneError(str(error)) from error

    def __post_init__(self) -> None:
        if self.family not in _SIZES:
            raise BackboneError(f"no kind of network '{self.family[:40]}'")
        try:
            typed(self.sizes, _SIZES[self.family], "the encoder's network", strict=True)
        except FormatError as error:
            raise BackboneError(str(error)) from error
        if [len(row) for row in self.normal] != [3, 3] or min(self.normal[1]) <= 0:
            raise BackboneError("mean and deviation of pixels are three numbers each")

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
        encoded = torch.frombuffer(bytearray(str(structure).encode()), dtype=torch.uint8)
        self.register_buffer("structure", encoded)
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
    path = folder / "model.safetensors"
    try:
        config = read_json(folder / "config.json", dict[str, Any])
        kind = typed(config, _ModelConfig, str(folder / "config.json")).model_type
        given = typed(config, ResNetSizes, str(folder / "config.json")) if kind == RESNET else None
        weights, _ = read_weights(path)
    except (OSError, FormatError, WeightsError) as error:
        raise BackboneError(
            f"cannot read a ResNet from {folder} ({error}): give a folder with config.json and model.safetensors, "
            "such as a copy of microsoft/resnet-18"
        ) from error
    if given is None:
        raise BackboneError(
            f"{folder} holds a network of type {kind[:40]}: of transformers' only resnet is known; "
            "encoder:=timm:<name>:<file.safetensors> knows many more"
        )
    sizes = asdict(given)
    stride = 8 if sizes["downsample_in_first_stage"] else 4
    stages = 1
    while stages < len(sizes["depths"]) and IMAGE_SIZE // (2 * stride) >= GRID:
        stages, stride = stages + 1, 2 * stride
    sizes |= {name: list(sizes[name][:stages]) for name in ("depths", "hidden_sizes")}
    backbone = Backbone(Structure(RESNET, sizes))
    named = {name.removeprefix("resnet."): tensor for name, tensor in weights.items()}
    own = backbone.network.state_dict()
    taken = {n: t for n, t in named.items() if n in own}  # later stages and the classifier are not
    try:
        check_fit(taken, own, path)
    except WeightsError as error:
        raise BackboneError(f"{path} does not fit its config.json: {error}") from error
    backbone.network.load_state_dict(taken)
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
        read_weights(file)
        check_name(name, "a network of timm")
    except UnsafeName as error:
        raise BackboneError(str(error)) from error
    except WeightsError as error:
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
        pretrained = timm.get_pretrained_cfg(name)
        structure = Structure(
            TIMM, {"name": name, "stage": stage}, (pretrained.mean, pretrained.std)
        )
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
