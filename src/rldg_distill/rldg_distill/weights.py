# SPDX-License-Identifier: Apache-2.0
"""Weights out of safetensors, as a network wants them: its tensors, in their shapes, every number a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rldg_core.user_error import UserError

SHOWN = 5
"""names that an error lists"""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class WeightsError(UserError, ValueError):
    """A file does not hold the weights that are wanted; the message names file, tensor and fix."""


def read_weights(path: Path, fix: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, and what the header says.

    Args:
        path: of a safetensors file.
        fix: what a person can do about a bad one; ends the message.

    Raises:
        WeightsError: it is missing or damaged, or holds a number that is none.
    """
    try:
        if path.exists() and not path.is_file():
            raise WeightsError(f"{path} cannot be read: it is no file{_ended(fix)}")
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            said = file.metadata() or {}
    except (
        *(OSError, SafetensorError, ValueError, LookupError),
        *(AttributeError, TypeError, MemoryError),
    ) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path} cannot be read: {error}{_ended(fix)}") from error
    check_numbers(tensors, path, fix)
    return tensors, said


def check_numbers(tensors: Mapping[str, Tensor], path: Path, fix: str = "") -> None:
    """Whether every number is one: a policy with others asks for no motion at all, and nothing tells why.

    Raises:
        WeightsError: not so.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not _finite(tensor):
            raise WeightsError(
                f"{path} holds NaN or infinite numbers, in {name}: whatever wrote it had failed before{_ended(fix)}"
            )


def _finite(tensor: Tensor) -> bool:
    known = tensor if tensor.dtype in FLOATS else tensor.float()
    return bool(torch.isfinite(known).all())


def check_fit(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: Path | str, fix: str = ""
) -> None:
    """Whether tensors are all that a network wants, by name, shape and kind of number; `source` is where they are from.

    Raises:
        WeightsError: not so.
    """
    faults = [
        f"{len(names)} tensors {what} ({first_names(names)})"
        for what, names in (
            ("are missing", wanted.keys() - found.keys()),
            ("belong to none of its layers", found.keys() - wanted.keys()),
        )
        if names
    ]
    common = sorted(wanted.keys() & found.keys())
    other = [
        f"{name} is {_described(found[name])} and should be {_described(wanted[name])}"
        for name in common
        if _kind(found[name]) != _kind(wanted[name])
    ]
    if other:
        faults.append(f"{len(other)} have another shape ({first_names(other)})")
    if faults:
        raise WeightsError(f"{source} is of another network: {'; '.join(faults)}{_ended(fix)}")


def _kind(tensor: Tensor) -> tuple[tuple[int, ...], object]:
    """Shape and type; floats of any precision count as one."""
    return tuple(tensor.shape), tensor.is_floating_point() or tensor.dtype


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def first_names(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    rows = sorted(names)
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return ", ".join(name[:200] for name in rows[:SHOWN]) + more


def _ended(fix: str) -> str:
    return fix and f". {fix}"
