# SPDX-License-Identifier: Apache-2.0
"""Two processes that divide a student learn what two that each hold all of it learn, and leave the same files."""

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
from openvla_network import card, fill
from safetensors.torch import load_file, save_file
from synthetic_data import SIZE, WORDS, small

from rldg_distill import distill
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import StudentError
from rldg_distill.students.openvla.student import OpenVLAStudent, OpenVLAStudentConfig
from rldg_distill.students.registry import load_student
from rldg_distill.students.student import WEIGHTS

COMMON = [
    *("--device", "cpu", "--workers", "1", "--log-every", "1", "--batch-size", "2"),
    *("--schedule", "constant", "--warmup", "2", "--augment", "none", "--validate-samples", "3"),
]
OCTO = [
    *(*COMMON, "--student", "octo", "--primary-side", "32", "--loss", "own"),
    *("--accumulate", "2", "--ema", "0.9", "--clip", "0.5"),
]
OPENVLA = [*COMMON, "--student", "openvla", "--size", "tiny"]
OFT = [*OPENVLA, "--variant", "oft", "--chunk", "2"]
# Adam's first step is as long for a gradient of mere rounding, which an adapter has many of: at the usual rate some
# processors part there.
LORA = [*OFT, "--lora-rank", "4", "--learning-rate", "2e-5"]
STATE, STUDENT = Path("checkpoints", "training.safetensors"), Path("checkpoints", "student")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
KILLED = [*OCTO, "--shard", "--steps", "10", "--checkpoint-every", "3"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small(tmp_path_factory.mktemp("data") / "first"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data: str) -> Path:
    """Everything that two processes train here, but for what is killed."""
    folder = tmp_path_factory.mktemp("runs")
    init = ["--init", str(bfloat16_checkpoint(folder / "base"))]
    orders = [("uninterrupted", KILLED)]
    for name, options in (("octo", OCTO), ("openvla", OPENVLA), ("lora", [*LORA, *init])):
        orders.append((f"{name}_whole", [*options, "--steps", "3"]))
        orders.append((f"{name}_divided", [*options, "--steps", "3", "--shard"]))
    orders.append(("octo_whole_first", [*OCTO, "--steps", "2"]))
    orders.append(("octo_whole_first", [*OCTO, "--steps", "3", "--shard"]))
    orders.append(("bf16", [*OFT, *init, "--steps", "2", "--precision", "bf16", "--shard"]))
    lines = [
        [data, "--runs", str(folder), "--name", name, *options, "--processes", "2"]
        for name, options in orders
    ]
    (folder / "orders.json").write_text(json.dumps(lines))
    script = Path(__file__).with_name("several_trainings.py")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    run([*torchrun, str(folder / "orders.json")])
    return folder


def bfloat16_checkpoint(folder: Path) -> Path:
    """As OpenVLA's is."""
    student = OpenVLAStudent.create(OpenVLAStudentConfig(lora_rank=0), card())
    fill(student.core, 3)
    student.export(folder)
    file = folder / "model.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(file).items()}, file)
    return folder


def run(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def curve(run: Path) -> dict[int, tuple[float, float]]:
    """Loss and norm of the gradient before clipping, by update."""
    return {
        line["step"]: (line["loss"], line["gradient_norm"]) for line in lines(run) if "loss" in line
    }


def validated(run: Path) -> list[float]:
    return [line["validation"]["loss"] for line in lines(run) if "validation" in line]


def act(run: Path) -> np.ndarray:
    images = np.full((1, SIZE, SIZE, 3), 40, np.uint8)
    observation = StudentObservation({"image": images}, np.zeros((1, 19), np.float32))
    return load_student(run / STUDENT).act(observation, WORDS["vga"])


@pytest.mark.parametrize("name", ["octo", "openvla", "lora"])
def test_divided_or_not_it_is_one_training(runs: Path, name: str) -> None:
    whole, divided = runs / f"{name}_whole", runs / f"{name}_divided"
    assert list(curve(whole)) == list(curve(divided)) == [1, 2, 3]
    for step, values in curve(whole).items():
        assert curve(divided)[step] == pytest.approx(values, rel=1e-4)
    assert validated(divided) == pytest.approx(validated(whole), rel=1e-4)


@pytest.mark.parametrize("file", [STATE, STUDENT / WEIGHTS])
@pytest.mark.parametrize("name", ["octo", "openvla", "lora"])
def test_its_files_are_the_same(runs: Path, name: str, file: Path) -> None:
    whole, divided = (
        load_file(runs / f"{name}_whole" / file),
        load_file(runs / f"{name}_divided" / file),
    )
    assert whole.keys() == divided.keys()
    for key, tensor in whole.items():
        assert divided[key].dtype == tensor.dtype
        torch.testing.assert_close(divided[key], tensor, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", ["octo", "openvla", "lora"])
def test_its_student_acts(runs: Path, name: str) -> None:
    whole, divided = act(runs / f"{name}_whole"), act(runs / f"{name}_divided")
    assert divided.shape == whole.shape
    assert np.isfinite(divided).all()


def test_what_was_not_divided_goes_on_divided(runs: Path) -> None:
    expected, found = curve(runs / "octo_whole"), curve(runs / "octo_whole_first")
    assert found[3] == pytest.approx(expected[3], rel=1e-4)


def test_small_updates_of_a_bfloat16_checkpoint_are_not_lost(runs: Path) -> None:
    """Its folder is as small as ever."""
    state, saved = load_file(runs / "bf16" / STATE), load_file(runs / "bf16" / STUDENT / WEIGHTS)
    name = "vla.projector.fc3.weight"
    master = state[f"student.{name}"]
    assert master.dtype == state[f"optimizer.exp_avg.{name}"].dtype == torch.float32
    assert saved[name].dtype == torch.bfloat16
    assert torch.equal(saved[name], master.bfloat16())
    assert not torch.equal(saved[name].float(), master)
    assert np.isfinite(act(runs / "bf16")).all()


@pytest.mark.parametrize("name", ["octo", "openvla", "lora"])
def test_a_process_holds_half(runs: Path, name: str) -> None:
    def held(kind: str) -> list[dict[str, int]]:
        folder = runs / f"{name}_{kind}"
        return [json.loads((folder / f"memory_{rank}.json").read_text()) for rank in (0, 1)]

    whole, divided = held("whole")[0], held("divided")
    for what in ("parameters", "optimizer"):
        assert whole[what] > 1e6
        assert sum(process[what] for process in divided) == pytest.approx(whole[what], rel=0.01)
        assert all(process[what] < 0.52 * whole[what] for process in divided)


def test_after_a_kill_the_same_losses_follow(runs: Path, data: str, tmp_path: Path) -> None:
    arguments = ["-m", "rldg_distill.distill", data, "--runs", str(tmp_path), "--name", "killed"]
    arguments += [*KILLED, "--processes", "2"]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        while not (killed / "metrics.jsonl").exists() or len(curve(killed)) < 5:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (killed / "summary.json").exists()
    assert 5 <= max(curve(killed)) < 10
    run(arguments)
    assert curve(killed) == curve(runs / "uninterrupted")
    for file in (STATE, STUDENT / WEIGHTS):
        ours, theirs = load_file(killed / file), load_file(runs / "uninterrupted" / file)
        assert all(torch.equal(ours[key], tensor) for key, tensor in theirs.items())


def test_one_process_divides_with_no_other(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [data, "--runs", str(tmp_path), "--name", "one", *OCTO, "--shard"]
    assert distill.main([*arguments, "--processes", "1"]) == 2
    assert "--processes 2 or more" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()


def test_weights_of_few_bits_are_not_divided() -> None:
    student = OpenVLAStudent(OpenVLAStudentConfig(lora_rank=4, quantize=4), card())
    with pytest.raises(StudentError, match="--no-shard"):
        student.units()
