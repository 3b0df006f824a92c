# SPDX-License-Identifier: Apache-2.0
"""A real camera shows a student the part of the picture that it was trained on, without being asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rldg_bringup.arguments import StackError
from rldg_bringup.cameras import CROP
from rldg_bringup.stacks import STACKS

WIDE = "1280x720:280,0,720,720"
ARM = {"robot": "fci", "robot_ip": "172.16.0.2", "camera": "pyrealsense", "task": "connector/vga"}


def student(runs: Path, name: str, **data: Any) -> None:
    folder = runs / name / "checkpoints" / "student"
    folder.mkdir(parents=True)
    (folder / "student.json").write_text(
        json.dumps({"data": {"cameras": {"image": [128, 128]}} | data})
    )


def crop(runs: Path, stack: str, **given: str) -> object:
    named = {"name" if stack == "evaluate" else "policy": "learned"}
    return STACKS[stack].plan({"runs": str(runs), **named, **given}).values["crop"]


@pytest.mark.parametrize("stack", ["evaluate", "policy", "collect"])
def test_the_crop_is_the_students_where_none_is_given(tmp_path: Path, stack: str) -> None:
    student(tmp_path, "learned", image_contract=f"1:{WIDE}:128")
    assert crop(tmp_path, stack, **ARM) == WIDE
    assert crop(tmp_path, stack, **ARM, crop=WIDE) == WIDE
    with pytest.raises(StackError, match=f"give crop:={WIDE}"):
        crop(tmp_path, stack, **ARM, crop=str(CROP.default))
    assert crop(tmp_path, stack, task="connector/vga") == CROP.default, "the twin has no camera"


@pytest.mark.parametrize("stack", ["evaluate", "policy", "collect"])
@pytest.mark.parametrize("where", [{"task": "connector/vga"}, ARM])
def test_a_student_of_pictures_that_no_robot_shows_is_refused_before_anything_starts(
    tmp_path: Path, stack: str, where: dict[str, str]
) -> None:
    student(tmp_path, "learned", cameras={"image": [480, 640]})
    with pytest.raises(
        StackError, match="trained on images of 640x480, and every robot's are 128x128"
    ):
        crop(tmp_path, stack, **where)


@pytest.mark.parametrize(
    "card", ["", "[]", "{", '{"data": 3}', '{"data": {"cameras": [1]}}', "[" * 99_999]
)
def test_a_card_that_is_none_is_left_to_those_who_load_it(tmp_path: Path, card: str) -> None:
    student(tmp_path, "learned")
    (tmp_path / "learned" / "checkpoints" / "student" / "student.json").write_text(card)
    assert crop(tmp_path, "policy", **ARM) == CROP.default
