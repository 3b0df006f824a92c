# SPDX-License-Identifier: Apache-2.0
"""Students and official checkpoints from elsewhere: damaged, of another shape, full of NaN. Nothing but an error that
a person can mend comes out, and no policy of NaN acts.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import octo_reference
import openvla_network
import pytest
import torch
from damaged import damage_json, damaged_bytes
from safetensors.torch import load_file, save_file
from synthetic_data import SIZE, WORDS, edit_json, small

from rldg_core.user_error import UserError
from rldg_distill import distill
from rldg_distill.students import registry
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import CARD, StudentError
from rldg_distill.students.language import T5, LanguageError
from rldg_distill.students.octo import checkpoint, flax_msgpack
from rldg_distill.students.openvla import checkpoints, config
from rldg_distill.students.openvla.student import OpenVLAStudent, OpenVLAStudentConfig
from rldg_distill.students.student import WEIGHTS

TINY = [
    *("--student", "cnn", "--side", "32", "--width", "16", "--chunk", "2", "--batch-size", "4"),
    *("--workers", "1", "--steps", "2", "--device", "cpu"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("data") / "plugs", count=3)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    runs = tmp_path_factory.mktemp("runs")
    assert distill.main([str(data), "--runs", str(runs), "--name", "a", *TINY]) == 0
    return runs / "a"


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    """A copy of the student that may be damaged."""
    copy = tmp_path / "student"
    copy.mkdir()
    for file in (run / "checkpoints" / "student").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def refused(read: Callable[[], Any]) -> str:
    """The error that reading ends with, in one line."""
    with pytest.raises(UserError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 1500
    return text


def refusal_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `distill` says where it refuses."""
    capsys.readouterr()
    try:
        assert distill.main(list(words)) != 0
    except SystemExit as ended:
        assert ended.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("distill:")]
    assert len(lines) == 1
    return lines[0]


# --- a student ---------------------------------------------------------------------------------------------------


def test_cards_of_another_shape(folder: Path) -> None:
    sound = json.loads((folder / CARD).read_text())
    rng = random.Random(0)
    wrong = 0
    for _ in range(300):
        damage_json(rng, folder / CARD, sound)
        try:
            registry.describe_student(folder)
        except UserError as error:
            wrong += 1
            assert "\n" not in str(error) and len(str(error)) < 1500
    assert wrong > 100


def test_a_student_of_a_changed_card_is_refused_or_acts(folder: Path) -> None:
    sound = json.loads((folder / CARD).read_text())
    rng = random.Random(1)
    for _ in range(25):
        damage_json(rng, folder / CARD, sound)
        with suppress(UserError):
            student = registry.load_student(folder)
            images = np.zeros((1, SIZE, SIZE, 3), np.uint8)
            seen = StudentObservation({"image": images}, np.zeros((1, 19), np.float32))
            assert np.isfinite(student.act(seen, WORDS["vga"])).all()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"width": 10**9}, "width is 1000000000, and may be 4096 at most"),
        ({"chunk": 10**9}, "chunk"),
        ({"side": 10**6}, "side"),
        ({"side": 40}, "must divide it"),
        ({"size": "huge"}, "no size 'huge'"),
        ({"state": "yes"}, "state"),
        ({"new": 1}, "new"),
    ],
)
def test_a_configuration_that_cannot_be(folder: Path, changed: dict[str, Any], reason: str) -> None:
    card = json.loads((folder / CARD).read_text())
    edit_json(folder / CARD, config=card["config"] | changed)
    assert reason in refused(lambda: registry.load_student(folder))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, None, "x"])
def test_statistics_of_a_card_that_are_no_numbers(folder: Path, number: object) -> None:
    card = json.loads((folder / CARD).read_text())
    card["data"]["statistics"]["state"]["mean"][3] = number
    (folder / CARD).write_text(json.dumps(card))
    refused(lambda: registry.load_student(folder))


def test_damaged_weights(folder: Path) -> None:
    path = folder / WEIGHTS
    sound = path.read_bytes()
    rng = random.Random(2)
    described = registry.describe_student(folder)
    student = described.kind(described.config, described.data)
    head = int.from_bytes(sound[:8], "little") + 8
    for number in range(120):
        part = sound[:head] if number % 2 else sound
        path.write_bytes(damaged_bytes(rng, part) + sound[len(part) :])
        with suppress(StudentError):
            student.load_weights(folder)
            assert all(torch.isfinite(tensor).all() for tensor in student.state_dict().values())
    for size in (2**20, 2**62, 2**64 - 1):
        path.write_bytes(size.to_bytes(8, "little") + sound[8:])
        assert "cannot be read" in refused(lambda: student.load_weights(folder))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_is_refused_by_name(folder: Path, number: float) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["head.0.bias"][3] = number
    save_file(weights, folder / WEIGHTS)
    text = refused(lambda: registry.load_student(folder))
    assert f"{WEIGHTS} holds NaN or infinite numbers, in head.0.bias" in text


def test_weights_of_other_names_shapes_and_types_are_refused_by_name(folder: Path) -> None:
    sound = load_file(folder / WEIGHTS)
    bias = sound["head.0.bias"]
    for changed, reason in (
        ({"head.0.bias": bias[:3].clone()}, r"head.0.bias is float32\[3\] and should be"),
        ({"head.0.bias": bias.to(torch.int64)}, r"head.0.bias is int64"),
        ({"more": bias.clone()}, r"1 tensors belong to none of its layers \(more\)"),
    ):
        save_file(sound | changed, folder / WEIGHTS)
        assert re.search(reason, refused(lambda: registry.load_student(folder)))
    save_file({n: t for n, t in sound.items() if n != "head.0.bias"}, folder / WEIGHTS)
    assert "1 tensors are missing (head.0.bias)" in refused(lambda: registry.load_student(folder))


def test_a_pipe_is_no_student(folder: Path) -> None:
    for name in (WEIGHTS, CARD):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert "no file" in refused(lambda: registry.load_student(folder))


def test_predictions_that_are_no_numbers_do_not_reach_the_arm(folder: Path) -> None:
    student = registry.load_student(folder)
    with torch.no_grad():
        next(student.parameters()).fill_(torch.nan)
    seen = StudentObservation(
        {"image": np.zeros((1, SIZE, SIZE, 3), np.uint8)}, np.zeros((1, 19), np.float32)
    )
    assert "no numbers" in refused(lambda: student.act(seen, WORDS["vga"]))


# --- what `distill` is given ----------------------------------------------------------------------------------------


def test_init_of_another_student_is_refused_in_one_line(
    folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(data), "--runs", str(tmp_path), "--name", "b", "--device", "cpu"]
    octo = ["--student", "octo", "--size", "tiny", "--init", str(folder)]
    assert "is a student 'cnn', and 'octo' is to start from it" in refusal_of(capsys, *words, *octo)
    wider = [*TINY, "--width", "32", "--init", str(folder)]
    said = refusal_of(capsys, *words, *wider)
    assert "another network" in said and "It has width 16" in said
    assert not (tmp_path / "b" / "checkpoints" / "student").exists()


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/b", ".hidden", "x" * 200])
def test_a_runs_name_leads_nowhere(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "deep" / "runs"
    try:
        code = distill.main([str(data), "--runs", str(runs), "--name", name, *TINY])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert "--name cannot be" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_whose_small_files_are_damaged(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "a"
    (copy / "checkpoints").mkdir(parents=True)
    state = run / "checkpoints" / "training.safetensors"
    words = [str(data), "--runs", str(tmp_path), "--name", "a", *TINY]
    settings = json.loads((run / "distill.json").read_text())
    rng = random.Random(3)
    (copy / "checkpoints" / state.name).write_bytes(state.read_bytes())
    for _ in range(4):
        damage_json(rng, copy / "distill.json", settings)
        with suppress(SystemExit):
            assert distill.main(words) in (0, 1, 2)
    capsys.readouterr()
    for _ in range(4):
        (copy / "distill.json").write_text(json.dumps(settings))
        (copy / "checkpoints" / state.name).write_bytes(damaged_bytes(rng, state.read_bytes()))
        (copy / "metrics.jsonl").write_bytes(
            damaged_bytes(rng, (run / "metrics.jsonl").read_bytes()) + b"\0\0\0\n[]\n{}\n"
        )
        assert distill.main(words) in (0, 1, 2)
        assert "Traceback" not in capsys.readouterr().err


# --- official checkpoints ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openvla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("openvla")
    student = OpenVLAStudent.create(OpenVLAStudentConfig(lora_rank=0), openvla_network.card())
    student.export(folder)
    return folder


def test_openvla_configurations_of_another_shape(openvla: Path, tmp_path: Path) -> None:
    official = {
        **config.EXPECTED,
        "image_resize_strategy": "letterbox",
        "text_config": {"vocab_size": 32064, "num_hidden_layers": 32, "rms_norm_eps": 1e-5},
        "norm_stats": {"bridge": {"action": {"q01": [0.0]}}},
    }
    for name, sound in (
        (config.OURS, json.loads((openvla / config.OURS).read_text())),
        (config.OFFICIAL, official),
    ):
        folder = tmp_path / name
        folder.mkdir()
        rng = random.Random(name)
        for _ in range(200):
            damage_json(rng, folder / name, sound)
            with suppress(StudentError):
                found = config.read(folder)
                assert found.language.num_hidden_layers <= config.MOST_LAYERS


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/b", "", ".x"])
def test_an_index_leads_nowhere(name: str, openvla: Path, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": name}}
    (tmp_path / checkpoints.INDEX).write_text(json.dumps(index))
    assert "a file of weights cannot be" in refused(lambda: checkpoints.files(tmp_path))


def test_indices_of_another_shape(tmp_path: Path) -> None:
    rng = random.Random(4)
    sound = {"metadata": {"total_size": 3}, "weight_map": {"a": "one", "b": "two"}}
    for _ in range(200):
        damage_json(rng, tmp_path / checkpoints.INDEX, sound)
        with suppress(StudentError):
            checkpoints.files(tmp_path)


def test_openvla_weights_that_are_no_numbers(openvla: Path, tmp_path: Path) -> None:
    network = config.read(openvla)
    weights = load_file(openvla / checkpoints.SINGLE)
    weights["projector.fc2.bias"][0] = torch.nan
    save_file(weights, tmp_path / checkpoints.SINGLE)
    assert "in projector.fc2.bias" in refused(lambda: checkpoints.load(tmp_path, network))


def test_octo_configurations_of_another_shape(tmp_path: Path) -> None:
    folder = octo_reference.write_checkpoint(tmp_path, {"a": np.ones(2, np.float32)})
    sound = json.loads((folder / "config.json").read_text())
    rng = random.Random(5)
    for _ in range(150):
        damage_json(rng, folder / "config.json", sound)
        with suppress(checkpoint.OctoCheckpointError):
            checkpoint.read(folder)


def array(shape: Any, dtype: Any, content: Any) -> msgpack.ExtType:
    return msgpack.ExtType(flax_msgpack.ARRAY, msgpack.packb([shape, dtype, content]))


def test_damaged_flax_trees(tmp_path: Path) -> None:
    leaf = array([2, 2], "float32", np.ones(4, np.float32).tobytes())
    sound = msgpack.packb({"a": {"b": leaf, "c": leaf}, "d": leaf})
    rng = random.Random(6)
    path = tmp_path / "tree"
    for _ in range(500):
        path.write_bytes(damaged_bytes(rng, sound))
        with suppress(flax_msgpack.NotFlax):
            flax_msgpack.read(path)


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (array([-1], "float32", b"\0" * 8), "shape"),
        (array([True, 1], "float32", b"\0" * 4), "damaged"),
        (array([1], "O", b"\0" * 8), "there are: float16"),
        (array([1], "(2,)f4", b"\0" * 8), "there are"),
        (array([1], ["float32"], b"\0" * 4), "there are"),
        (array([2**40], "float32", b"\0" * 4), "damaged"),
        (array("ab", "float32", b"\0" * 4), "shape"),
        (array([1], "float32", b"\0\0\xc0\x7f"), "NaN or infinite numbers"),
        ([1, 2], "where an array should be"),
        ([0] * 100, "damaged"),
    ],
)
def test_flax_leaves_that_cannot_be(leaf: Any, reason: str, tmp_path: Path) -> None:
    (tmp_path / "tree").write_bytes(msgpack.packb({"a": leaf}))
    assert reason in refused(lambda: flax_msgpack.read(tmp_path / "tree"))


def test_sizes_that_a_flax_tree_declares_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    started = time.monotonic()
    for data in (
        b"\x81\xa1a" * 300 + b"\xc0",  # deep
        b"\xdd\x7f\xff\xff\xff" * 100 + b"\0" * 1_000_000,  # lists of 2 000 000 000 in each other
        b"\xdf\x7f\xff\xff\xff" + b"\0" * 1_000_000,
        b"\xc6\x7f\xff\xff\xff",
    ):
        path.write_bytes(data)
        refused(lambda: flax_msgpack.read(path))
    assert time.monotonic() - started < 5


def test_t5_weights_of_other_shapes(tmp_path: Path) -> None:
    attention = "encoder.block.0.layer.0.SelfAttention"
    sound = {
        "shared.weight": torch.ones(8, 4),
        f"{attention}.relative_attention_bias.weight": torch.ones(2, 2),
        f"{attention}.q.weight": torch.ones(4, 4),
        "encoder.block.0.layer.1.DenseReluDense.wi.weight": torch.ones(8, 4),
    }
    octo_reference_tokenizer(tmp_path / "tokenizer.json")
    others = (torch.ones(3), torch.ones(0, 0), torch.ones(1, 10**6), torch.ones(10**6, 1))
    for name in sound:
        for other in (*others, None):
            weights = {**sound, name: other} if other is not None else dict(sound)
            if other is None:
                del weights[name]
            with pytest.raises(LanguageError):
                T5(weights, tmp_path / "tokenizer.json")


def octo_reference_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"<pad>": 0, "a": 1}, "<pad>")).save(str(path))


def test_a_student_of_a_moved_or_hostile_base(openvla: Path, tmp_path: Path) -> None:
    student = OpenVLAStudent.create(
        OpenVLAStudentConfig(lora_rank=2), openvla_network.card(), openvla
    )
    student.save(tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    for base in ("/nowhere", "a\0b", "", "x" * 300, str(tmp_path / WEIGHTS)):
        save_file(weights, tmp_path / WEIGHTS, {"base": base})
        refused(lambda: registry.load_student(tmp_path))
