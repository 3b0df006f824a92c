# SPDX-License-Identifier: Apache-2.0
"""Official checkpoints of Octo 1.5, tensor by tensor.

    <folder>/config.json                    what the model is
    <folder>/<step>/default/checkpoint      every weight, the language encoder's too, in one msgpack of flax

Two things are stored otherwise here: matrices are transposed, and the matrices of query, key and value are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from rldg_core.files.checked_file import FormatError, read_json
from rldg_core.user_error import UserError
from rldg_distill.students.octo import flax_msgpack
from rldg_distill.students.octo.config import OctoConfig
from rldg_distill.students.octo.octo import READOUT, STATE, TASK, Octo
from rldg_distill.students.octo.stem import CHANNELS

CONFIG = "config.json"
FIX = "Copy the checkpoint again, the whole folder"
STEP = re.compile(r"[0-9]{1,12}")
LANGUAGE = "octo_transformer/task_tokenizers_language/hf_model/"
"""where the language encoder's tensors are"""


class OctoCheckpointError(UserError, ValueError):
    """A folder is no checkpoint of Octo 1.5, or not of this network; the message says why and what to do."""


@dataclass(frozen=True)
class OfficialCheckpoint:
    """The content of a folder."""

    folder: Path
    network: Mapping[str, np.ndarray]
    """by name in flax"""
    language: Mapping[str, np.ndarray]
    """the language encoder's, by name in it"""

    def without(self, tokenizers: Iterable[str]) -> OfficialCheckpoint:
        """The same with some image tokenizers left out."""
        theirs = tuple(
            f"octo_transformer/{part}"
            for name in tokenizers
            for part in (f"observation_tokenizers_{name}/", f"obs_{name}_")
        )
        kept = {name: array for name, array in self.network.items() if not name.startswith(theirs)}
        return replace(self, network=kept)


@dataclass(frozen=True)
class ParameterSource:
    """Where a parameter comes from: tensors of one shape, stacked along its first axis."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    """in flax"""
    kind: str
    """kernel: inputs first; out: outputs last; filter: height, width, inputs, outputs; position; vector"""

    def convert(self, arrays: Iterable[np.ndarray]) -> torch.Tensor:
        """The parameter."""
        return torch.cat([torch.tensor(_CONVERT[self.kind](array)) for array in arrays])


_CONVERT = {
    "kernel": lambda array: array.reshape(array.shape[0], -1).T,
    "out": lambda array: array.reshape(-1, array.shape[-1]).T,
    "filter": lambda array: array.transpose(3, 2, 0, 1),
    "position": lambda array: array[0],
    "vector": lambda array: array.reshape(-1),
    "same": lambda array: array,
}


@dataclass(frozen=True)
class Mismatch:
    """What of a checkpoint and a network does not fit, by name in flax."""

    missing: tuple[str, ...]
    """the network has it, the checkpoint does not"""
    unexpected: tuple[str, ...]
    """the checkpoint has it, the network does not"""
    misshapen: tuple[str, ...]
    """both have it in different shapes, which stand behind the name"""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        parts = vars(self).items()
        return "; ".join(
            f"{len(names)} {what}: {', '.join(names)}" for what, names in parts if names
        )


def read(folder: Path) -> OfficialCheckpoint:
    """Read a folder; of several steps the last.

    Raises:
        OctoCheckpointError: a file is missing or damaged, or it is a checkpoint of Octo 1.0.
    """
    try:
        model = read_json(folder / CONFIG, _Described, fix=FIX).model
    except OSError as error:
        raise OctoCheckpointError(
            f"{folder} is no checkpoint of Octo: there is no config.json. Download octo-small-1.5 or octo-base-1.5, "
            "the whole folder"
        ) from error
    except FormatError as error:
        raise OctoCheckpointError(f"a damaged checkpoint: {error}") from error
    _refuse_old(folder, model)
    steps = [int(path.name) for path in folder.iterdir() if STEP.fullmatch(path.name)]
    file = folder / str(max(steps, default=0)) / "default" / "checkpoint"
    if not file.is_file():
        raise OctoCheckpointError(
            f"{folder} has no <step>/default/checkpoint. If a newer orbax saved it (ocdbt): load it there and write "
            "flax.serialization.msgpack_serialize of its parameters to this name"
        )
    try:
        tensors = flax_msgpack.read(file)
    except (flax_msgpack.NotFlax, OSError) as error:
        raise OctoCheckpointError(f"{error}. {FIX}") from error
    return OfficialCheckpoint(
        folder,
        {name: array for name, array in tensors.items() if not name.startswith(LANGUAGE)},
        {
            name.removeprefix(LANGUAGE): array
            for name, array in tensors.items()
            if name.startswith(LANGUAGE)
        },
    )


@dataclass(frozen=True)
class _Model:
    """What of a model says that it is Octo 1.5."""

    use_correct_attention: bool = False
    repeat_task_tokens: bool = False


@dataclass(frozen=True)
class _Described:
    """Of config.json."""

    model: _Model


def _refuse_old(folder: Path, model: _Model) -> None:
    """Octo 1.0 attends one token off, and does not repeat the task at every step."""
    for switch in ("use_correct_attention", "repeat_task_tokens"):
        if not getattr(model, switch):
            raise OctoCheckpointError(
                f"{folder} is a checkpoint of Octo 1.0 ({switch} is not set in config.json), whose attention is "
                "another one; take octo-small-1.5 or octo-base-1.5"
            )


def load(octo: Octo, checkpoint: OfficialCheckpoint, merge: bool = False) -> Mismatch:
    """Give a network the weights of a checkpoint.

    Args:
        octo: changed in place; nothing is changed where this raises.
        checkpoint: from `read`.
        merge: take what fits by name and shape and leave the rest of the network as it is, as Octo's fine-tuning does.

    Returns:
        What did not fit; nothing unless merged.

    Raises:
        OctoCheckpointError: something does not fit, and `merge` was not asked for.
    """
    wanted = sources(octo.config)
    mismatch = mismatches(wanted.values(), checkpoint.network)
    if mismatch and not merge:
        raise OctoCheckpointError(
            f"{checkpoint.folder} is not of this network, or the network has parts of its own: {mismatch}"
        )
    state = {
        name: source.convert(checkpoint.network[part] for part in source.names)
        for name, source in wanted.items()
        if not mismatches([source], checkpoint.network, partial=True)
    }
    octo.load_state_dict(state, strict=False)
    return mismatch


def mismatches(
    wanted: Iterable[ParameterSource], found: Mapping[str, np.ndarray], partial: bool = False
) -> Mismatch:
    """What of them does not fit; `partial`: what else there is does not matter."""
    shapes = {name: source.shape for source in wanted for name in source.names}
    return Mismatch(
        missing=tuple(name for name in shapes if name not in found),
        unexpected=() if partial else tuple(name for name in found if name not in shapes),
        misshapen=tuple(
            f"{name} {found[name].shape}, not {shape}"
            for name, shape in shapes.items()
            if name in found and found[name].shape != shape
        ),
    )


def sources(config: OctoConfig) -> dict[str, ParameterSource]:
    """Where every parameter of `Octo` comes from."""
    found: dict[str, ParameterSource] = {}
    root, width = "octo_transformer", config.width
    for name in config.images:
        stem, theirs = f"stems.{name}", f"{root}/observation_tokenizers_{name}/SmallStem16_0"
        for index, channels in enumerate(
            zip((CHANNELS, *config.stem[:-1]), config.stem, strict=True)
        ):
            found |= _layer(
                f"{stem}.convolutions.{index}",
                f"{theirs}/StdConv_{index}",
                (3, 3, *channels),
                "filter",
            )
            found |= _norm(f"{stem}.norms.{index}", f"{theirs}/GroupNorm_{index}", channels[1])
        found |= _layer(
            f"{stem}.embedding",
            f"{theirs}/embedding",
            (1, 1, config.stem[-1], config.patch_width),
            "out",
        )
    inputs = {f"obs_{name}": config.patch_width for name in config.images}
    inputs |= {TASK: config.language_width} | ({STATE: 1} if config.state_dim else {})
    for group, size in inputs.items():
        found |= _layer(f"projections.{group}", f"{root}/{group}_projection", (size, width))
    positions = {f"obs_{name}": config.image_tokens(name) for name in config.images}
    positions |= {READOUT: 1} | ({STATE: config.state_dim} if config.state_dim else {})
    shapes = {group: (1, config.max_window, count, width) for group, count in positions.items()}
    for group, shape in {**shapes, TASK: (1, config.language_tokens, width)}.items():
        found[f"positions.{group}"] = ParameterSource(
            (f"{root}/{group}_pos_embedding",), shape, "position"
        )
    for index in range(config.layers):
        found |= _block(index, config)
    found |= _norm(
        "transformer.norm", f"{root}/BlockTransformer_0/Transformer_0/encoder_norm", width
    )
    return found | _head(config)


def _block(index: int, config: OctoConfig) -> dict[str, ParameterSource]:
    ours = f"transformer.blocks.{index}"
    theirs = f"octo_transformer/BlockTransformer_0/Transformer_0/encoderblock_{index}"
    attention = f"{theirs}/MultiHeadDotProductAttention_0"
    width, heads = config.width, config.heads
    names = [f"{attention}/{part}" for part in ("query", "key", "value")]
    return {
        f"{ours}.attention.qkv.weight": ParameterSource(
            tuple(f"{name}/kernel" for name in names), (width, heads, width // heads), "kernel"
        ),
        f"{ours}.attention.qkv.bias": ParameterSource(
            tuple(f"{name}/bias" for name in names), (heads, width // heads), "vector"
        ),
        **_layer(
            f"{ours}.attention.out", f"{attention}/out", (heads, width // heads, width), "out"
        ),
        **_norm(f"{ours}.attention_norm", f"{theirs}/LayerNorm_0", width),
        **_norm(f"{ours}.mlp_norm", f"{theirs}/LayerNorm_1", width),
        **_layer(f"{ours}.up", f"{theirs}/MlpBlock_0/Dense_0", (width, config.mlp_width)),
        **_layer(f"{ours}.down", f"{theirs}/MlpBlock_0/Dense_1", (config.mlp_width, width)),
    }


def _head(config: OctoConfig) -> dict[str, ParameterSource]:
    theirs, width, time = "heads_action/diffusion_model", config.head_width, config.time_width
    numbers = config.chunk * config.action_dim
    network = f"{theirs}/reverse_network"
    found = {
        "head.time.weight": ParameterSource(
            (f"{theirs}/time_preprocess/kernel",), (time // 2, 1), "same"
        ),
        **_layer("head.time.up", f"{theirs}/cond_encoder/Dense_0", (time, 2 * time)),
        **_layer("head.time.down", f"{theirs}/cond_encoder/Dense_1", (2 * time, time)),
        **_layer("head.enter", f"{network}/Dense_0", (time + config.width + numbers, width)),
        **_layer("head.leave", f"{network}/Dense_1", (width, numbers)),
    }
    for index in range(config.head_blocks):
        ours, block = f"head.blocks.{index}", f"{network}/MLPResNetBlock_{index}"
        found |= _norm(f"{ours}.norm", f"{block}/LayerNorm_0", width)
        found |= _layer(f"{ours}.up", f"{block}/Dense_0", (width, 4 * width))
        found |= _layer(f"{ours}.down", f"{block}/Dense_1", (4 * width, width))
    return found


def _layer(
    ours: str, theirs: str, shape: tuple[int, ...], kind: str = "kernel"
) -> dict[str, ParameterSource]:
    return {
        f"{ours}.weight": ParameterSource((f"{theirs}/kernel",), shape, kind),
        f"{ours}.bias": ParameterSource((f"{theirs}/bias",), shape[-1:], "vector"),
    }


def _norm(ours: str, theirs: str, width: int) -> dict[str, ParameterSource]:
    return {
        f"{ours}.weight": ParameterSource((f"{theirs}/scale",), (width,), "vector"),
        f"{ours}.bias": ParameterSource((f"{theirs}/bias",), (width,), "vector"),
    }
