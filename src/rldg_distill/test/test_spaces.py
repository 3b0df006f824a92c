# SPDX-License-Identifier: Apache-2.0
"""A dataset of another body than an arm, and without images, from its file to a student's action."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from puck_data import PUCK, SCALE, episode, pucks
from synthetic_data import edit_json, small

from rldg_core.arm_spaces import ARM
from rldg_core.space import Space, Spaces
from rldg_distill import dataset as dataset_command
from rldg_distill import distill
from rldg_distill.conversion.shard import to_example
from rldg_distill.conversion.validation import validate
from rldg_distill.datasets import lerobot, rlds, statistics
from rldg_distill.datasets.metadata_leaves import metadata_of
from rldg_distill.datasets.rlds import Dataset, NotADataset
from rldg_distill.datasets.tfrecord import write_record
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import CARD, StudentError
from rldg_distill.students.registry import load_student, student_class
from rldg_distill.training.held_out import error_units
from rldg_distill.training.loader import Assembler
from rldg_distill.training.training_data import open_data

FEW = ("--device", "cpu", "--workers", "1", "--log-every", "50")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pucks(tmp_path_factory.mktemp("pucks") / "data" / "pucks")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an mlp that learned it."""
    runs = tmp_path_factory.mktemp("runs")
    words = ["--student", "mlp", "--name", "puck", "--runs", str(runs), "--steps", "400"]
    small_net = ["--width", "64", "--chunk", "1", "--ema", "0", "--no-instruction"]
    assert distill.main([str(data), *words, *small_net, "--warmup", "0", *FEW]) == 0
    return runs / "puck"


def contract(path: Path) -> Path:
    return path / rlds.VERSION / "contract.json"


def test_what_was_written_is_read(data: Path) -> None:
    dataset = Dataset(data)
    assert dataset.spaces == PUCK and dataset.cameras == [] and dataset.image_sizes == {}
    written, read = episode(0, 20), next(dataset.episodes("train"))
    assert read.spaces == PUCK and read.images == {}
    assert read.metadata.action_scale.tolist() == np.array(SCALE, np.float32).tolist()
    for name in ("state", "action", "teacher_mean", "teacher_log_std"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    tree = json.loads((data / rlds.VERSION / "features.json").read_text())
    steps = tree["featuresDict"]["features"]["steps"]["sequence"]["feature"]
    action = steps["featuresDict"]["features"]["action"]
    assert action["tensor"]["shape"] == {"dimensions": ["3"]}
    assert action["description"] == "push_x [m]; push_y [m]; magnet [1 on, 0 off]"


def test_it_is_sound_and_the_switch_is_not_normalised(data: Path) -> None:
    assert list(validate(Dataset(data))) == []
    found = statistics.load(data)
    assert found["action"]["mask"] == [True, True, False]
    assert found["state"]["mask"] == [True] * 4


def test_a_number_that_is_none_is_found_by_its_name(tmp_path: Path) -> None:
    bad = pucks(tmp_path / "bad", count=1)
    file = next((bad / rlds.VERSION).glob("*train.tfrecord*"))
    broken = episode(0, 20)
    broken.state[3, 2] = np.nan

    with file.open("wb") as stream:
        write_record(stream, to_example(broken))
    faults = [str(fault) for fault in validate(Dataset(bad))]
    assert any("step 3: state is not finite (velocity_x [m/s])" in fault for fault in faults)
    with pytest.raises(NotADataset, match=r"state 'velocity_x \[m/s\]' .* is no number in step 3"):
        open_data([bad])


def test_info_tells_its_numbers_and_show_that_there_is_no_camera(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dataset_command.main(["info", str(data)]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("push_x [m]", "magnet [1 on, 0 off]", "velocity_y [m/s]"))
    assert dataset_command.main(["show", str(data)]) == 2
    assert "the data have none" in capsys.readouterr().err


def test_lerobot_has_the_names(data: Path, tmp_path: Path) -> None:
    lerobot.export(Dataset(data), tmp_path / "lerobot")
    info = json.loads((tmp_path / "lerobot/meta/info.json").read_text())
    assert info["features"]["action"]["names"] == list(PUCK.action.names)
    assert info["features"]["observation.state"]["shape"] == [4]
    assert not any(name.startswith("observation.images") for name in info["features"])
    content = json.loads((tmp_path / "lerobot/meta/contract.json").read_text())
    assert content["action"]["switches"] == 1


def test_an_mlp_learns_it(trained: Path) -> None:
    student = load_student(trained / "checkpoints" / "student")
    assert student.data.spaces == PUCK
    held = episode(50, 30)
    foreseen = []
    for state in held.state:
        seen = StudentObservation({}, state[None])
        action = student.act(seen, held.instruction[0])
        assert action.shape == (1, 3)
        foreseen.append(action[0])
    off = np.abs(np.array(foreseen) - held.action)
    assert off[:, :2].mean() < 0.25 * np.abs(held.action[:, :2]).mean()
    assert ((np.array(foreseen)[:, 2] > 0.5) == held.action[:, 2]).mean() > 0.8
    with pytest.raises(StudentError, match=r"states are \(1, 19\), .* on \(1, 4\)"):
        student.act(StudentObservation({}, np.zeros((1, 19), np.float32)), "push")


def test_its_errors_are_in_the_units_of_the_space(trained: Path) -> None:
    summary = json.loads((trained / "summary.json").read_text())
    names = ["push_x [mm]", "push_y [mm]", "magnet"]
    assert list(summary["validation"]["action_error"]) == names
    assert list(error_units(ARM.action).values()) == [1e3] * 6 + [1.0]
    assert error_units(Space(("turn [rad]", "heat [K]", "wheel"), (0.5, 2.0, 1.0))) == {
        "turn [mrad]": 500.0,
        "heat [K]": 2.0,
        "wheel": 1.0,
    }
    alike = Space.of("x [m]", "x [mm]")
    assert list(error_units(alike)) == ["x [m]", "x [mm]"]


@pytest.mark.parametrize("name", ["mlp", "cnn", "octo", "openvla"])
def test_every_loss_of_every_student_fits_the_space(data: Path, name: str) -> None:
    """Also of those that see: here they are given a camera that the data lack."""
    found = open_data([data])
    batch = Assembler(found.train, [], 1, 1).batch(np.arange(6))
    made = student_class(name)
    card = replace(found.card, cameras={"image": (64, 64)})
    student = made.create(replace(made.configure("tiny"), chunk=1), card)
    images = {
        camera: torch.zeros(6, 1, *size, 3, dtype=torch.uint8)
        for camera, size in student.image_sizes.items()
    }
    seen = replace(batch, images=images)
    for kind in made.losses:
        assert torch.isfinite(student(seen, kind)["loss"])
    assert student.predict(seen).shape == (6, 1, 3)


@pytest.mark.parametrize("name", ["cnn", "octo", "openvla"])
def test_a_student_that_sees_refuses_data_without_images_before_it_trains(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words = ["--student", name, "--runs", str(tmp_path), *FEW]
    assert distill.main([str(data), *words]) == 2
    assert f"{name} looks through ['image'], the data have no images" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_two_spaces_in_one_mixture_are_refused_before_anything_is_read(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm = small(tmp_path / "arm")
    words = ["--student", "mlp", "--runs", str(tmp_path / "runs"), *FEW]
    assert distill.main([str(data), str(arm), *words]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "action: number 0 is 'translation_x [m]', and here 'push_x [m]'" in said
    assert not (tmp_path / "runs").exists()
    finer = Spaces(replace(PUCK.action, unit=(0.001, 1.0, 1.0)), PUCK.state)
    with pytest.raises(NotADataset, match=r"1.0 of 'push_x \[m\]' is 0.001, and here 1"):
        open_data([data, pucks(tmp_path / "finer", finer, count=1)])


def test_a_student_of_another_space_is_no_beginning(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm = small(tmp_path / "arm")
    words = ["--student", "mlp", "--runs", str(tmp_path / "runs"), *FEW]
    init = ["--init", str(trained / "checkpoints" / "student")]
    assert distill.main([str(arm), *words, *init]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "trained on data of another space: action: number 0 is 'push_x [m]'" in said


def test_files_of_version_0_1_0_are_an_arms(tmp_path: Path) -> None:
    """They name the numbers of an arm and no units; or not even that."""
    data = small(tmp_path / "data")
    for names in (True, False):
        content = json.loads(contract(data).read_text())
        for quantity, space in (("action", ARM.action), ("state", ARM.state)):
            content.pop(quantity, None)
            if names:
                content[quantity] = {"names": list(space.names), "frame": "TCP"}
        contract(data).write_text(json.dumps(content))
        assert Dataset(data).spaces == ARM
    student = student_class("mlp")
    made = student.create(student.configure("tiny"), open_data([data]).card)
    made.save(tmp_path / "student")
    card = json.loads((tmp_path / "student" / CARD).read_text())
    assert card["data"].pop("spaces")["action"]["switches"] == 1
    (tmp_path / "student" / CARD).write_text(json.dumps(card))
    assert load_student(tmp_path / "student").data.spaces == ARM


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"names": ["a", "b", "c"]}, "not an arm's names: number 0 is 'a'"),
        ({"names": ["a", "b", "c"], "unit": [1.0]}, "action: 3 names have 1 units"),
        ({"names": ["a", "b"], "unit": [1.0, 1.0], "switches": 3}, "cannot be switches"),
    ],
)
def test_a_contract_that_cannot_be(tmp_path: Path, action: dict[str, object], why: str) -> None:
    data = pucks(tmp_path / "data", count=1)
    edit_json(contract(data), action=action)
    with pytest.raises(NotADataset) as refusal:
        Dataset(data)
    assert why in str(refusal.value)


def test_an_example_of_another_space_is_no_episode_of_this_one() -> None:
    data = bytes(to_example(episode(0, 7)))
    with pytest.raises(ValueError, match="missing"):
        rlds.from_example(data, [], ARM)
    values = vars(episode(0, 1).metadata) | {"scale": (0.1,)}
    with pytest.raises(ValueError, match="1 scales for 2 motions"):
        metadata_of(values, PUCK.action)
