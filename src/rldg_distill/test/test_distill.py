# SPDX-License-Identifier: Apache-2.0
"""`distill` from end to end, tiny: it learns, it survives a kill, it refuses what cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from synthetic_data import SIZE, WORDS, edit_json, episode, small, write_dataset

from rldg_distill import distill
from rldg_distill.students import registry
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import CARD, StudentError
from rldg_distill.students.registry import load_student
from rldg_distill.students.student import WEIGHTS
from rldg_distill.training import config_options, training_state
from rldg_distill.training.distributed import World
from rldg_distill.training.trainer import Trainer
from rldg_distill.training.training_config import CHANGEABLE, TrainingConfig
from rldg_distill.training.training_data import open_data

TINY = [
    *("--student", "cnn", "--side", "32", "--width", "32", "--chunk", "3", "--batch-size", "12"),
    *("--workers", "1", "--log-every", "1", "--warmup", "4", "--device", "cpu"),
]
FULL = [*TINY, *("--ema", "0.9", "--augment", "octo", "--accumulate", "2", "--window", "2")]
DOCS = Path(__file__).parents[3] / "docs" / "how-to" / "distill.md"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    first = small(folder / "first", count=10)
    return [str(first), str(small(folder / "second", "usb_a", first=20, count=6))]


def train(data: list[str], runs: Path, name: str, *more: str) -> int:
    return distill.main([*data, "--runs", str(runs), "--name", name, *more])


def losses(run: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def observation() -> StudentObservation:
    images = np.full((1, SIZE, SIZE, 3), 40, np.uint8)
    return StudentObservation({"image": images}, np.zeros((1, 19), np.float32))


def test_it_learns_where_the_square_is(data: list[str], tmp_path: Path) -> None:
    assert train(data, tmp_path, "a", *TINY, "--steps", "120", "--learning-rate", "3e-3") == 0
    curve = losses(tmp_path / "a")
    first, last = [np.mean(list(curve.values())[part]) for part in (slice(5), slice(-5, None))]
    assert last < first / 4
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["finished"] and summary["samples"] == 120 * 12
    assert set(summary["data"]) == {"first", "second"}
    # An untrained student is off by about 6.7 mm, the mean of |x| over the actions of these data.
    assert summary["validation"]["first_action_error"]["translation_x [mm]"] < 4.0
    assert (tmp_path / "a" / "loss_curve.png").stat().st_size > 1000
    assert list((tmp_path / "a" / "tensorboard" / "distill").iterdir())


def test_a_saved_student_acts_the_same(data: list[str], tmp_path: Path) -> None:
    assert train(data, tmp_path, "a", *FULL, "--steps", "3") == 0
    folder = tmp_path / "a" / "checkpoints" / "student"
    student = load_student(folder)
    assert student.crop == {"image": pytest.approx(0.9)}
    assert student.data.topics == {"image": "wrist_camera/color/image_raw"}
    action = student.act(observation(), WORDS["vga"])
    assert action.shape == (3, 7) and action.dtype == np.float32
    assert (np.abs(action[:, :3]) <= 0.015).all() and (np.abs(action[:, 3:6]) <= 0.1).all()
    assert not np.array_equal(action, student.act(observation(), WORDS["usb_a"]))
    student.save(tmp_path / "copy")
    again = load_student(tmp_path / "copy")
    np.testing.assert_array_equal(action, again.act(observation(), WORDS["vga"]))
    assert training_state.count_parameters(again) == training_state.count_parameters(
        student, moved=True
    )


def test_after_a_kill_the_same_losses_follow(data: list[str], tmp_path: Path) -> None:
    arguments = [*FULL, "--steps", "40", "--checkpoint-every", "7", "--validate-every", "9"]
    assert train(data, tmp_path, "whole", *arguments) == 0
    whole = losses(tmp_path / "whole")
    command = [sys.executable, "-m", "rldg_distill.distill", *data, "--runs", str(tmp_path)]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [*command, "--name", "killed", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (killed / "metrics.jsonl").exists() or len(losses(killed)) < 17:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (killed / "summary.json").exists()
    died = max(losses(killed))
    assert 17 <= died < 40
    assert train(data, tmp_path, "killed", *arguments) == 0
    assert losses(killed) == whole
    states = [
        (tmp_path / name / "checkpoints" / "student" / WEIGHTS).read_bytes()
        for name in ("whole", "killed")
    ]
    assert states[0] == states[1]


SLOW_DISK = """
import sys, time
from rldg_distill import distill
from rldg_distill.datasets import step_index

def never(path):
    print("reading", flush=True)
    time.sleep(600)

step_index.placed_records = never
sys.exit(distill.main())
"""


def test_a_stop_while_the_data_is_read_is_no_mistake(tmp_path: Path) -> None:
    data = small(tmp_path / "data" / "slow")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_DISK, str(data), "--runs", str(tmp_path), *TINY],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "distill: stopped" in said and "Traceback" not in said


def test_two_processes_are_one_training(data: list[str], tmp_path: Path) -> None:
    arguments = [*TINY, "--steps", "6", "--checkpoint-every", "4", "--processes", "2"]
    command = [sys.executable, "-m", "rldg_distill.distill", *data, "--runs", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--name", "two", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["processes"] == 2 and summary["samples"] == 6 * 12 * 2
    # Twice the batch in one process sees the same samples, so without noise it learns the same.
    assert train(data, tmp_path, "one", *TINY, "--steps", "6", "--batch-size", "24") == 0
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    # Each process takes the mean over what its own masks leave: equal to about the spread of the masks.
    assert list(two) == list(one)
    for step, loss in one.items():
        assert two[step] == pytest.approx(loss, rel=0.1)


def test_patience_ends_early_and_keeps_the_best(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Ever larger steps: validation gets worse soon.
    arguments = ["--learning-rate", "0.3", "--validate-every", "2", "--patience", "2"]
    assert train(data, tmp_path, "a", *TINY, "--steps", "400", *arguments) == 0
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["steps"] < 400
    lines = [
        json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    judged = [line["validation"]["loss"] for line in lines if "validation" in line]
    assert summary["best_validation_loss"] == min(judged)
    assert judged.index(min(judged)) == len(judged) - 3
    assert summary["validation"]["loss"] == min(judged), "of the student that is kept"
    assert f"{min(judged):.4g}" in capsys.readouterr().err.split("validation loss")[-1]


def test_patience_that_is_asked_for_later_knows_no_best_before(
    data: list[str], tmp_path: Path
) -> None:
    """That of the first part was never written, and what comes later is worse."""
    worse = [*TINY, "--learning-rate", "1.0", "--validate-every", "2"]
    assert train(data, tmp_path, "a", *worse, "--steps", "20") == 0
    first = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert first["validation"]["loss"] > first["best_validation_loss"], "else this shows nothing"
    assert train(data, tmp_path, "a", *worse, "--steps", "400", "--patience", "2") == 0
    then = json.loads((tmp_path / "a" / "summary.json").read_text())
    lines = [
        json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    judged = [x["validation"]["loss"] for x in lines if "validation" in x and x["step"] > 20]
    assert len(judged) > 2
    assert then["validation"]["loss"] == then["best_validation_loss"] == min(judged)


def test_stops_wear_out_no_patience(data: list[str], tmp_path: Path) -> None:
    """A training that is stopped after every sixth update ends where it would have ended without."""
    options = ["--learning-rate", "0.3", "--validate-every", "4", "--patience", "2"]

    def start(name: str, stop_every: int) -> Trainer:
        words = [*data, "--runs", str(tmp_path), "--name", name, *TINY, "--steps", "400", *options]
        order, world = distill.parse(words), World(torch.device("cpu"))
        loaded = open_data(order.data)
        student = distill.make_student(order, loaded, world)

        def on_line(line: dict[str, Any]) -> None:
            trainer.stopped |= "loss" in line and line["step"] % stop_every == 0

        trainer = distill.make_trainer(order, loaded, student, world, on_line)
        with order.run.claimed(), trainer.loader:
            trainer.train()
        return trainer

    whole = start("whole", 1000)
    for _ in range(whole.progress.step):
        often = start("often", 6)
        if not often.stopped:
            break
    for name in ("step", "best", "stale"):
        assert getattr(often.progress, name) == getattr(whole.progress, name)
    files = [trainer.run.student / WEIGHTS for trainer in (whole, often)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_training_goes_on_from_a_student(data: list[str], tmp_path: Path) -> None:
    assert train(data, tmp_path, "a", *TINY, "--steps", "40", "--learning-rate", "3e-3") == 0
    student = tmp_path / "a" / "checkpoints" / "student"
    assert train(data, tmp_path, "b", *TINY, "--steps", "1", "--init", str(student)) == 0
    assert losses(tmp_path / "b")[1] < losses(tmp_path / "a")[1] / 2
    assert train(data, tmp_path, "c", *TINY, "--steps", "1", "--init", str(tmp_path / "a")) == 0
    files = [tmp_path / name / "checkpoints" / "student" / WEIGHTS for name in ("b", "c")]
    assert files[0].read_bytes() == files[1].read_bytes(), "a run stands for its student"
    own = json.loads((tmp_path / "c" / "summary.json").read_text())
    assert own["steps"] == 1, "the optimiser and its schedule begin anew"


@pytest.mark.parametrize("kind", ["teacher_kl", "teacher_expected"])
def test_teacher_losses_fall(data: list[str], tmp_path: Path, kind: str) -> None:
    arguments = ["--steps", "40", "--learning-rate", "3e-3", "--loss", kind]
    assert train(data, tmp_path, "a", *TINY, *arguments) == 0
    curve = losses(tmp_path / "a")
    assert np.mean(list(curve.values())[-5:]) < curve[1] / 2


# --- what cannot be --------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], data: list[str], runs: Path, *more: str) -> str:
    try:
        code = train(data, runs, "refused", *TINY, "--steps", "1", *more)
    except SystemExit as error:
        code = int(str(error.code))
    assert code in (1, 2)
    assert not (runs / "refused" / "metrics.jsonl").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--student", "nobody"], "no student 'nobody'; there are: cnn"),
        (["--size", "huge"], "no size 'huge'; there are: tiny"),
        (["--recipe", "secret"], "no recipe 'secret'; there are: default"),
        (["--loss", "other"], "there are: own, teacher_kl"),
        (["--augment", "much"], "there are: none, octo, openvla"),
        (["--steps", "0"], "steps must be 1 or more"),
        (["--chunk", "0"], "window and chunk must be 1 or more"),
        (["--camera", "side"], "looks through ['side'], the data have ['image']"),
        (["--normalization", "log"], "there are: normal, bounds_q99"),
        (["--weights", "1"], "2 datasets need as many weights"),
        (["--init", "/nowhere"], "has no student.json"),
    ],
)
def test_options_that_cannot_be(
    data: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    reason: str,
) -> None:
    assert reason in refused(capsys, data, tmp_path, *more)


def test_a_wrong_checkpoint(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path, "a", *TINY, "--steps", "1") == 0
    folder = tmp_path / "a" / "checkpoints" / "student"
    init = ["--init", str(folder)]
    assert "another network" in refused(capsys, data, tmp_path, *init, "--width", "48")
    edit_json(folder / CARD, contract_version="0")
    with pytest.raises(StudentError, match="contract version '0', this program uses '1'"):
        load_student(folder)
    edit_json(folder / CARD, contract_version="1")
    (folder / WEIGHTS).write_bytes(b"not weights")
    assert "cannot be read" in refused(capsys, data, tmp_path, *init)
    (folder / CARD).write_text("{")
    with pytest.raises(StudentError, match="damaged"):
        load_student(folder)


def test_images_of_a_wrong_size(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = small(tmp_path / "data" / "other")
    features = other / "1.0.0" / "features.json"
    features.write_text(features.read_text().replace('"32"', '"64"'))
    assert "images are {'image': (32, 32)}, features.json says" in refused(
        capsys, [str(other)], tmp_path
    )
    assert "has cameras" in refused(capsys, [*data, str(other)], tmp_path)
    assert train(data, tmp_path, "a", *TINY, "--steps", "1") == 0
    student = load_student(tmp_path / "a" / "checkpoints" / "student")
    wrong = StudentObservation(
        {"image": np.zeros((1, 16, 16, 3), np.uint8)}, np.zeros((1, 19), np.float32)
    )
    with pytest.raises(StudentError, match="trained on"):
        student.act(wrong, "insert")
    with pytest.raises(StudentError, match="no image of image"):
        student.act(StudentObservation({}, np.zeros((1, 19), np.float32)), "insert")


def test_data_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(path: Path, *others: Path) -> str:
        return refused(capsys, [str(path), *map(str, others)], tmp_path)

    folder = tmp_path / "data"
    assert "no finished dataset" in refuse(folder / "missing")
    empty = write_dataset(folder / "empty", {"train": [], "val": [episode(0, 3)]})
    assert "no episodes in the split train" in refuse(empty)
    old = small(folder / "old")
    edit_json(old / "1.0.0" / "contract.json", contract_version="0")
    assert "contract version 0" in refuse(old)
    good = small(folder / "good")
    slow = write_dataset(
        folder / "slow", {"train": [episode(0, 3)], "val": [episode(1, 3)]}, control_rate_hz=4.0
    )
    assert "control rate 4.0" in refuse(good, slow)
    front = {"image": "front_camera/color/image_raw"}
    moved = write_dataset(
        folder / "moved", {"train": [episode(0, 3)], "val": [episode(1, 3)]}, cameras=front
    )
    assert "has the cameras" in refuse(good, moved)
    assert "two datasets are called good" in refuse(good, good)
    left, right = (small(folder / name) for name in ("left", "right"))
    for path, crop in ((left, "0,0,480,480"), (right, "160,0,480,480")):
        edit_json(path / "1.0.0" / "contract.json", image_contract=f"1:640x480:{crop}:128")
    assert "images do not match: 1:640x480:0,0,480,480:128 and 1:" in refuse(left, right)
    statistics = json.loads((good / "1.0.0" / "dataset_statistics.json").read_text())
    del statistics["action"]["std"]
    edit_json(good / "1.0.0" / "dataset_statistics.json", action=statistics["action"])
    assert "statistics of action lack std" in refuse(good)
    shard = next((slow / "1.0.0").glob("*train*"))
    shard.write_bytes(shard.read_bytes()[:-9])
    assert "cut off" in refuse(slow)


def test_a_student_keeps_what_its_cameras_pictures_are(tmp_path: Path) -> None:
    real, twins = small(tmp_path / "real"), small(tmp_path / "twins")
    contract = "1:640x480:0,0,480,480:128"
    edit_json(real / "1.0.0" / "contract.json", image_contract=contract)
    assert train([str(real), str(twins)], tmp_path, "a", *TINY, "--steps", "1") == 0
    assert load_student(tmp_path / "a" / "checkpoints" / "student").data.image_contract == contract


def test_a_run_is_not_resumed_with_other_values(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path, "a", *TINY, "--steps", "2") == 0
    assert train(data, tmp_path, "a", *TINY, "--steps", "2", "--seed", "1", "--width", "16") == 2
    message = capsys.readouterr().err
    assert "seed 0 -> 1" in message and "'width': 32" in message
    assert train(data[::-1], tmp_path, "a", *TINY, "--steps", "4") == 2
    assert "data: {'first': " in capsys.readouterr().err
    assert train(data, tmp_path, "a", *TINY, "--steps", "4") == 0
    assert max(losses(tmp_path / "a")) == 4


def test_a_finished_run_is_reported_again_and_not_changed(data: list[str], tmp_path: Path) -> None:
    run = tmp_path / "a"
    assert train(data, tmp_path, "a", *TINY, "--steps", "2") == 0
    files = [run / "metrics.jsonl", run / "checkpoints" / "student" / WEIGHTS]
    before = [file.read_bytes() for file in files]
    assert train(data, tmp_path, "a", *TINY, "--steps", "2") == 0
    assert [file.read_bytes() for file in files] == before


def test_one_process_at_a_time(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = distill.parse([*data, "--runs", str(tmp_path), "--name", "a", *TINY])
    with order.run.claimed():
        assert train(data, tmp_path, "a", *TINY) == 2
    assert "is in use" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_it(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = distill.parse([*data, "--runs", str(tmp_path), "--name", "a", *TINY])
    loaded = open_data(order.data)
    world = World(torch.device("cpu"))
    student = distill.make_student(order, loaded, world)
    with torch.no_grad():
        next(student.parameters()).fill_(torch.nan)
    trainer = distill.make_trainer(order, loaded, student, world, lambda line: None)
    with (
        order.run.claimed(),
        trainer.loader,
        pytest.raises(distill.TrainingError, match="lower --learning-rate"),
    ):
        trainer.train()
    assert not order.run.student_training.exists()


# --- options and docs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names())
def test_every_option_is_documented(name: str) -> None:
    kind = registry.student_class(name)
    for size in kind.sizes:
        configs: list[Any] = list(distill.defaults(kind, size))
        for config in configs:
            texts = config_options.documented(type(config))
            assert all(texts[field] for field in vars(config))


def test_the_docs_hold_the_table_of_the_options() -> None:
    assert config_options.options_table(TrainingConfig()) in DOCS.read_text()


def test_the_docs_name_the_options_that_may_change() -> None:
    (paragraph,) = (
        part for part in DOCS.read_text().split("\n\n") if part.startswith("**Stop and go")
    )
    assert [name for name in CHANGEABLE if f"`{name}`" not in paragraph] == [
        name for name in CHANGEABLE if name.endswith("_every")
    ]


def test_recipes_name_options_that_exist() -> None:
    for name in registry.names():
        kind = registry.student_class(name)
        for recipe, values in kind.recipes.items():
            size = recipe.partition("/")[2]
            for one in [size] if size else kind.sizes:
                known = {**vars(TrainingConfig()), **vars(kind.configure(one))}
                assert set(values) <= set(known), f"{name} {recipe}"
