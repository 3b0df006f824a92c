# SPDX-License-Identifier: Apache-2.0
"""Every argument of every stack: its range, what it needs to change anything, and nonsense of all kinds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from rldg_bringup.arguments import Argument, Reader, StackError, split
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.runner import main
from rldg_bringup.stacks import STACKS

BASE = {
    "policy": {"policy": "pupil", "task": "connector/vga"},
    "evaluate": {"policy": "narrow"},
    "collect": {"policy": "narrow"},
    "replay": {"bag": "."},
}
"""what a stack needs at least"""
NUMBERS = ("nan", "inf", "-inf", "-1", "1e999", "", "9" * 20, "9" * 5000, "0x1", "1_0", "१", "None")
ARGUMENTS = [(stack, argument) for stack in STACKS.values() for argument in stack.arguments]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a specialist, and one with a student."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    weights = folder / "narrow" / "checkpoints" / "policy.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    stored = {"stack": "train_rl", "arguments": {"task": "connector/vga"}}
    (folder / "narrow" / "arguments.yaml").write_text(yaml.safe_dump(stored))
    (folder / "pupil" / "checkpoints" / "student").mkdir(parents=True)
    custom = {"episode": '{"task": "connector/vga"}'}
    metadata = {"rosbag2_bagfile_information": {"custom_data": custom}}
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return folder


def refused(stack: str, given: dict[str, str]) -> str:
    with pytest.raises(StackError) as error:
        STACKS[stack].plan(BASE.get(stack, {}) | given)
    return str(error.value)


@pytest.mark.parametrize(
    ("stack", "given", "message"),
    [
        ("train_rl", {"device": "spacenavd"}, "device:= is for operator:=spacemouse, and here"),
        ("train_rl", {"operator": "keyboard", "facing": "90"}, "or give operator:=spacemouse"),
        ("train_rl", {"operator": "none", "deadband": "0.1"}, "deadband:=0.1 has no effect"),
        ("teleop", {"operator": "gamepad", "hold_to_run": "true"}, "is for operator:=spacemouse"),
        ("collect", {"facing": "90"}, "is for source:=spacemouse or gamepad, and here"),
        ("train_rl", {"exposure": "5000"}, "is for camera:=realsense or pyrealsense"),
        ("train_rl", {"serial": "12"}, "is for camera:=realsense or pyrealsense"),
        ("train_rl", {"crop": "848x480:184,0,480,480"}, "realsense or pyrealsense or topic"),
        ("camera", {"camera_topic": "wrist/color"}, "is for camera:=topic"),
        ("camera", {"camera": "topic", "exposure": "1"}, "is for camera:=realsense"),
        ("doctor", {"site": "lab.yaml"}, "is for robot:=fci or franka_ros2"),
        ("train_rl", {"robot": "fci", "randomize": "true"}, "is for the twin"),
        ("evaluate", {"robot": "fci", "perturb": "camera:5mm"}, "is for the twin"),
        ("evaluate", {"replan": "4"}, "is for students, and here it is a specialist: leave it out"),
        ("collect", {"ensemble": "0.1"}, "is for students"),
        ("policy", {"deterministic": "true"}, "is for specialists, and here it is a student"),
        (
            "collect",
            {
                "policy": "",
                "source": "operator",
                "task": "connector/vga",
                "deterministic": "true",
            },
            "here it is a person",
        ),
        ("policy", {"policy": "narrow", "instruction": "plug it in"}, "is for students"),
        (
            "evaluate",
            {"transport": "direct", "ray": "auto", "workers": "2"},
            "or leave out ray:=auto",
        ),
        ("replay", {"robot": "fci"}, "is for execute:=true"),
        ("replay", {"real_time_factor": "1"}, "is for execute:=true"),
        ("replay", {"execute": "true", "rate": "2"}, "is for bags that are played"),
    ],
)
def test_arguments_without_effect_are_refused(
    runs: Path, stack: str, given: dict[str, str], message: str
) -> None:
    said = refused(stack, given)
    assert message in said and "has no effect" in said and "leave it out" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("stack", "given", "message"),
    [
        ("train_rl", {"task": "connector/vgaa"}, "no task 'connector/vgaa'; there are: connector/"),
        ("train_rl", {"task": "connector/seen"}, "it takes family/variant. There are: connector/"),
        ("collect", {"task": "connector/vga,connector/x"}, "no task 'connector/x'"),
        ("collect", {"policy": "", "policies": "a/b=narrow"}, "no task 'a/b'"),
        ("evaluate", {"task": "connector,usb"}, "no task 'usb'"),
        ("evaluate", {"task": "connector/vga,connector/vga"}, "names connector/vga again"),
        ("evaluate", {"perturb": "camra:5mm"}, "there is no axis 'camra'"),
        ("evaluate", {"perturb": "camera:5m"}, "out of range"),
        ("evaluate", {"perturb": "light:1", "randomize": "true"}, "draws light"),
        ("evaluate", {"perturb": "clearance:1mm", "task": "pick_place"}, "clearance"),
        ("train_rl", {"reward": "classifier", "classifier": "none.safetensors"}, "no such file"),
        ("policy", {"policy": "pupl"}, "Did you mean 'pupil'?"),
        ("evaluate", {"policy": "pupl"}, "Did you mean 'pupil'?"),
        *[
            (stack, {name: "x" * 400}, "longer than a file system takes")
            for stack, name in (
                ("policy", "policy"),
                ("evaluate", "policy"),
                ("collect", "policy"),
                ("replay", "bag"),
                ("train_rl", "init"),
                ("train_rl", "prior"),
                ("train_rl", "runs"),
            )
        ],
        ("evaluate", {"name": "narrow"}, "give name:=<run> or policy:=<run>"),
        ("train_rl", {"prior": ","}, "names with a comma between them, each once"),
        ("train_rl", {"prior": "narrow,narrow"}, "each once"),
        ("train_rl", {"runs": ""}, "a text that is not empty"),
        ("replay", {"bag": ""}, "a text that is not empty"),
        ("policy", {"policy": ""}, "a text that is not empty"),
        ("train_rl", {"seed": "99999999999999999999999"}, "at most 9223372036854775807"),
        ("train_rl", {"camera": "topic", "camera_topic": "a b"}, "the name of a topic's folder"),
        ("train_rl", {"camera": "topic", "crop": "640x480:0,0,641,1"}, "a box within it"),
        ("evaluate", {"transport": "direct", "ray": "here"}, "host:port, or auto"),
    ],
)
def test_missing_files_and_names_are_refused_before_anything_starts(
    runs: Path, stack: str, given: dict[str, str], message: str
) -> None:
    assert message in refused(stack, given)


def test_a_policy_is_named_alike_in_every_stack(runs: Path) -> None:
    by_name, by_folder, by_run = (
        STACKS["evaluate"].plan({"evaluation": "e", **given})
        for given in ({"policy": "narrow"}, {"policy": str(runs / "narrow")}, {"name": "narrow"})
    )
    assert by_name.nodes[2].parameters == by_run.nodes[2].parameters
    assert by_name.run == by_folder.run == by_run.run == runs / "narrow"
    elsewhere = runs.rename(runs.with_name("others")) / "narrow"
    assert STACKS["evaluate"].plan({"policy": str(elsewhere)}).run == elsewhere


def test_what_is_typed_counts_even_where_it_is_the_default(runs: Path) -> None:
    RunClaim(STACKS["train_rl"].plan({"name": "a", "demos": "5", "seed": "3"})).release()
    again = {"name": "a"}
    assert STACKS["train_rl"].plan(again).values["demos"] == 5
    assert STACKS["train_rl"].plan(again | {"demos": "20"}).values["demos"] == 20
    assert "made with seed:=3" in refused("train_rl", again | {"seed": "0"})


@pytest.mark.parametrize("seed", ["[1]", "x", "-1", "null", "{a: b}", "1.5"])
def test_a_runs_own_arguments_are_checked_like_typed_ones(runs: Path, seed: str) -> None:
    text = f"stack: train_rl\narguments: {{seed: {seed}}}"
    (runs / "narrow" / "arguments.yaml").write_text(text)
    said = refused("train_rl", {"name": "narrow"})
    assert "arguments.yaml cannot be used: seed:=" in said


def test_an_argument_is_given_once() -> None:
    with pytest.raises(StackError, match="seed:= is given twice: 1 and 2"):
        split(["seed:=1", "seed:=2"])


@pytest.mark.parametrize(("stack", "argument"), ARGUMENTS, ids=lambda x: x.name)
def test_every_number_has_its_range_and_every_list_its_choices(
    runs: Path, stack: object, argument: Argument
) -> None:
    reader = argument.parse
    if isinstance(reader, Reader) and "number" in reader.takes:
        assert "at most" in argument.help_text
        for text in set(NUMBERS) - ({"-1"} if argument.name == "facing" else set()):
            with pytest.raises(StackError, match=f"{argument.name}:="):
                argument.read(text)
    if argument.default is not None:
        argument.read(argument.default)
    for choice in argument.choices:
        argument.read(choice)


def test_nonsense_is_refused_in_one_line_and_never_raised(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(19)
    values = [*NUMBERS, ",", "/", "..", "a b", "\n", "\x1b[2J", "true", "0", "1", "connector/vga"]
    values += ["narrow", "pupil", "a=b", "~", "$HOME", "'", "[/]", "{}", "é", "\udcff", "a:=b"]
    planned = 0
    for _ in range(1500):
        stack = draw.choice(list(STACKS.values()))
        names = [*(argument.name for argument in stack.arguments), "nonsense", "--foo", ""]
        given = BASE.get(stack.name, {}) | {
            draw.choice(names): draw.choice(values) for _ in range(draw.randint(0, 3))
        }
        try:
            stack.plan(given)
            planned += 1
        except StackError as error:
            assert str(error)
    assert planned > 100
    assert main(["train_rl", "seed:=\x1b[2J"]) == 2
    assert main(["train_rll"]) == 2
    assert "\x1b" not in capsys.readouterr().err
