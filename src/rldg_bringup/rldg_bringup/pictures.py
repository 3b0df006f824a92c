# SPDX-License-Identifier: Apache-2.0
"""Which pictures a trained policy knows, and whether a real camera would show it such."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rldg_bringup.arguments import StackError, Value, Values
from rldg_bringup.cameras import CROP, is_real
from rldg_bringup.run_settings import settings
from rldg_core.files.checked_file import FormatError, read_json

SIDE = 128
"""[pixel] of either side of the pictures that every robot shows"""


def own_crop(values: Values, given: Mapping[str, str]) -> dict[str, Value]:
    """`crop` as the policies know it, where a real camera is to show it to them and none was `given`.

    Raises:
        StackError: a student's card names none that can be.
    """
    if not is_real(values) or "crop" in given:
        return {}
    policies = str(values.get("checkpoints") or values.get("checkpoint") or "")
    known = {known_crop(Path(policy)) for policy in filter(None, policies.split(","))} - {""}
    return {"crop": CROP.read(known.pop())} if len(known) == 1 else {}


def compare_pictures(values: Values, policies: Value) -> None:
    """Refuse a policy that knows no pictures such as a robot shows, and another crop than it was trained with.

    Args:
        values: of the stack.
        policies: its policies' files and folders, a comma between them; empty: no policy is shown anything.

    Raises:
        StackError: a policy knows other pictures, or the settings of its run cannot be read.
    """
    for policy in filter(None, str(policies).split(",")):
        _check_size(Path(policy))
        if not is_real(values):
            continue
        known = known_crop(Path(policy))
        if known not in ("", values["crop"]):
            raise StackError(
                f"{policy} was trained on images of crop:={known} and is worth nothing under "
                f"crop:={values['crop']}: give crop:={known}"
            )


def _check_size(policy: Path) -> None:
    cameras = _data(policy).get("cameras") if policy.is_dir() else None
    size = cameras.get("image") if isinstance(cameras, dict) else None
    if size not in (None, [SIDE, SIDE]):
        raise StackError(
            f"{policy} was trained on images of {_size(size)}, and every robot's are {SIDE}x{SIDE}: convert its bags "
            "again, which crops and sizes them, and train on those"
        )


def _size(size: object) -> str:
    return "x".join(map(str, reversed(size))) if isinstance(size, list) else str(size)


def known_crop(policy: Path) -> str:
    """The `crop` of the camera whose pictures a policy was trained on; empty: of none, or unknown."""
    return _of_student(policy) if policy.is_dir() else _of_specialist(policy.parents[1])


def _of_student(folder: Path) -> str:
    _, _, crop = str(_data(folder).get("image_contract") or "").partition(":")  # without version
    return crop.rpartition(":")[0]  # and size


def _data(folder: Path) -> dict[str, Any]:
    """What a student's card says of its data; empty where it is none, which whoever loads the student tells."""
    try:
        data = read_json(folder / "student.json", dict[str, Any]).get("data")
    except (OSError, FormatError):
        return {}
    return data if isinstance(data, dict) else {}


def _of_specialist(run: Path) -> str:
    given = settings(run, None)
    return str(given["crop"]) if given.get("observation") == "image" and is_real(given) else ""
