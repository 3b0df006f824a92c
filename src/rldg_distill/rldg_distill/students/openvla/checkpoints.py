# SPDX-License-Identifier: Apache-2.0
"""OpenVLA's weights on disk: a folder of safetensors, read tensor by tensor, every one accounted for.

The model is built without memory (meta device), names and shapes are compared before any number is read, and each
tensor then goes straight to its device and type: the peak is the model and one tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from rldg_core.files.atomic_file import written_whole
from rldg_core.files.checked_file import FormatError, read_json
from rldg_core.files.safe_name import check_name
from rldg_distill.students.card import StudentError
from rldg_distill.students.openvla.config import OpenVLAConfig
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.weights import WeightsError, check_numbers, first_names

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
FIX = "Copy the checkpoint again"


@dataclass(frozen=True)
class _Index:
    """Of the index of several files."""

    weight_map: dict[str, str]
    """file by tensor"""

    def __post_init__(self) -> None:
        if not self.weight_map:
            raise ValueError("it names no file")
        for name in set(self.weight_map.values()):
            check_name(name, "a file of weights")


def files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: one, or the shards that its index names.

    Raises:
        StudentError: there are none, or one that the index names is missing.
    """
    index = folder / INDEX
    if not index.exists():
        if not (folder / SINGLE).exists():
            raise StudentError(
                f"{folder} has neither {INDEX} nor {SINGLE}: give the folder of an OpenVLA checkpoint in safetensors"
            )
        return [folder / SINGLE]
    try:
        names = sorted(set(read_json(index, _Index, fix=FIX).weight_map.values()))
    except (OSError, FormatError) as error:
        raise StudentError(f"a damaged checkpoint: {error}") from error
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise StudentError(
            f"{folder} lacks {first_names(missing)}, which {INDEX} names: copy it again"
        )
    return [folder / name for name in names]


def contents(paths: Iterable[Path]) -> dict[str, tuple[Path, tuple[int, ...]]]:
    """File and shape of every tensor by its name, from the headers alone.

    Raises:
        StudentError: a file is damaged, or two hold the same tensor.
    """
    found: dict[str, tuple[Path, tuple[int, ...]]] = {}
    for path in paths:
        try:
            with safe_open(path, framework="pt") as shard:
                shapes = {name: tuple(shard.get_slice(name).get_shape()) for name in shard.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, LookupError) as error:
            raise StudentError(f"{path} cannot be read ({error}): copy it again") from error
        twice = shapes.keys() & found.keys()
        if twice:
            raise StudentError(
                f"{path} holds tensors that another file holds too: {first_names(twice)}"
            )
        found |= {name: (path, shape) for name, shape in shapes.items()}
    return found


def check_tensors(model: nn.Module, found: dict[str, tuple[Path, tuple[int, ...]]]) -> None:
    """Whether the files hold the model's tensors, all and no others.

    Raises:
        StudentError: something is missing, unexpected or of another shape.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    shapes = {name: shape for name, (_, shape) in found.items()}
    faults = []
    if missing := wanted.keys() - shapes.keys():
        faults.append(f"{len(missing)} tensors are missing ({first_names(missing)})")
    if unexpected := shapes.keys() - wanted.keys():
        faults.append(f"{len(unexpected)} are unexpected ({first_names(unexpected)})")
    other = [
        f"{name} is {list(shapes[name])} and should be {list(wanted[name])}"
        for name in sorted(wanted.keys() & shapes.keys())
        if wanted[name] != shapes[name]
    ]
    if other:
        faults.append(f"{len(other)} have another shape ({first_names(other)})")
    if faults:
        raise StudentError(
            f"these are not the weights of this OpenVLA: {'; '.join(faults)}. "
            "Adapters are merged first; config.json and weights must be of one checkpoint"
        )


def load(
    folder: Path,
    config: OpenVLAConfig,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> OpenVLA:
    """The model with the folder's weights.

    Args:
        folder: with the safetensors.
        config: of the same checkpoint.
        dtype: of the weights in memory; None: as they are on disk. Buffers stay float32.
        device: where they go; None: the CPU.

    Raises:
        StudentError: the weights are not those of `config`.
    """
    with torch.device("meta"):
        model = OpenVLA(config)
    found = contents(files(folder))
    check_tensors(model, found)
    device = device or torch.device("cpu")
    for path in sorted({path for path, _ in found.values()}):
        with safe_open(path, framework="pt", device=str(device)) as shard:
            for name in shard.keys():  # noqa: SIM118
                value = shard.get_tensor(name)
                _check_numbers(name, value, path)
                _assign(model, name, value.to(dtype=dtype))
    return model.to(device)


def _check_numbers(name: str, value: torch.Tensor, path: Path) -> None:
    try:
        check_numbers({name: value}, path, FIX)
    except WeightsError as error:
        raise StudentError(str(error)) from error
    if not value.is_floating_point():
        raise StudentError(f"{path}: {name} is {value.dtype}, and no weights. {FIX}")


def _assign(model: nn.Module, name: str, value: torch.Tensor) -> None:
    """Puts a real tensor where one without memory was."""
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    trainable = module.get_parameter(leaf).requires_grad
    setattr(module, leaf, nn.Parameter(value, requires_grad=trainable))


def save(model: OpenVLA, folder: Path) -> None:
    """Writes all weights under their official names into one file."""
    write(folder / SINGLE, model.state_dict())


def write(
    path: Path, tensors: Mapping[str, torch.Tensor], said: Mapping[str, str] | None = None
) -> None:
    """Writes tensors, and in their header what is said; after a crash the old or the new file is there, whole."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with written_whole(path) as draft:
        save_file(contiguous, draft, metadata={"format": "pt", **(said or {})})
