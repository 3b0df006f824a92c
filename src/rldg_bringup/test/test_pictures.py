# SPDX-License-Identifier: Apache-2.0
"""A policy is shown pictures of the crop that it was trained with, or nothing begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from rldg_bringup.arguments import StackError
from rldg_bringup.stack import StackPlan
from rldg_bringup.stacks import STACKS

CROP, OTHER = "848x480:184,0,480,480", "640x480:80,0,480,480"
ARM = {"robot": "fci", "robot_ip": "172.16.0.2", "camera": "pyrealsense", "task": "connector/vga"}


def specialist(runs: Path, **arguments: str) -> None:
    checkpoints = runs / "learned" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "policy.safetensors").touch()
    given = {"task": "connector/vga", "crop": CROP} | arguments
    settings = {"stack": "train_rl", "arguments": given}
    (runs / "learned" / "arguments.yaml").write_text(yaml.safe_dump(settings))


def student(runs: Path, contract: str) -> None:
    folder = runs / "learned" / "checkpoints" / "student"
    folder.mkdir(parents=True)
    (folder / "student.json").write_text(json.dumps({"data": {"image_contract": contract}}))


def plans(runs: Path, **given: str) -> list[StackPlan]:
    words = {"runs": str(runs), **ARM, **given}
    evaluated = STACKS["evaluate"].plan(words | {"name": "learned"})
    others = [STACKS[name].plan(words | {"policy": "learned"}) for name in ("policy", "collect")]
    return [evaluated, *others]


def refused(runs: Path, stack: str) -> None:
    name = "name" if stack == "evaluate" else "policy"
    with pytest.raises(StackError, match=f"give crop:={CROP}"):
        STACKS[stack].plan({"runs": str(runs), **ARM, "crop": OTHER, name: "learned"})


def test_a_student_knows_the_pictures_of_its_data(tmp_path: Path) -> None:
    student(tmp_path, f"1:{CROP}:128")
    plans(tmp_path, crop=CROP)
    for stack in ("evaluate", "policy", "collect"):
        refused(tmp_path, stack)


def test_a_specialist_that_looks_knows_those_of_its_run(tmp_path: Path) -> None:
    specialist(tmp_path, observation="image", camera="realsense")
    evaluated, *_ = plans(tmp_path, crop=CROP)
    assert evaluated.values["crop"] == CROP, "the run's, whatever is given"
    for stack in ("policy", "collect"):
        refused(tmp_path, stack)


def test_an_arms_specialist_is_judged_on_the_twin_unless_an_arm_is_named(tmp_path: Path) -> None:
    specialist(tmp_path, observation="image", camera="realsense", robot="fci", exposure=5000)
    words = {"runs": str(tmp_path), "name": "learned"}
    plan = STACKS["evaluate"].plan(words)
    assert "twin" in {node.name for node in plan.nodes} and plan.values["camera"] == "robot"
    on_arm = STACKS["evaluate"].plan(words | ARM)
    assert on_arm.values["exposure"] == 5000, "it sees what it learned from"
    direct = words | {"transport": "direct"}
    assert [node.name for node in STACKS["evaluate"].plan(direct).nodes] == ["evaluator"]
    with pytest.raises(StackError, match="camera:= needs ROS"):
        STACKS["evaluate"].plan(direct | {"camera": "realsense"})


def test_who_never_saw_a_cameras_pictures_may_try_any(tmp_path: Path) -> None:
    student(tmp_path, "")
    specialist(tmp_path / "state", observation="state", camera="realsense")
    specialist(tmp_path / "twin", observation="image", camera="robot")
    for runs in (tmp_path, tmp_path / "state", tmp_path / "twin"):
        plans(runs, crop=OTHER)
