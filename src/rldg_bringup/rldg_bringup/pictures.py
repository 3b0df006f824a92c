# SPDX-License-Identifier: Apache-2.0
"""Which pictures a trained policy knows, and whether a real camera would show it such."""

from __future__ import annotations

import json
from pathlib import Path

from rldg_bringup.arguments import StackError, Value, Values
from rldg_bringup.cameras import is_real
from rldg_bringup.stack import settings


def compare_pictures(values: Values, policies: Value) -> None:
    """Refuse another crop than a policy was trained with.

    Args:
        values: of the stack.
        policies: its policies' files and folders, a comma between them; empty: nobody is shown anything.

    Raises:
        StackError: a policy knows other pictures, or the settings of its run cannot be read.
    """
    if not is_real(values):
        return
    for policy in filter(None, str(policies).split(",")):
        known = known_crop(Path(policy))
        if known not in ("", values["crop"]):
            raise StackError(
                f"{policy} was trained on pictures of crop:={known} and is worth nothing under "
                f"crop:={values['crop']}: give crop:={known}"
            )


def known_crop(policy: Path) -> str:
    """The `crop` of the camera whose pictures a policy was trained on; empty: of none, or nobody told."""
    return _of_student(policy) if policy.is_dir() else _of_specialist(policy.parents[1])


def _of_student(folder: Path) -> str:
    card = folder / "student.json"
    data = json.loads(card.read_text())["data"] if card.is_file() else {}
    _, _, told = str(data.get("image_contract", "")).partition(":")  # without version
    return told.rpartition(":")[0]  # and size


def _of_specialist(run: Path) -> str:
    told = settings(run, None)
    return str(told["crop"]) if told.get("observation") == "image" and is_real(told) else ""
