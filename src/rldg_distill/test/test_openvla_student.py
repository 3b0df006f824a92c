# SPDX-License-Identifier: Apache-2.0
"""OpenVLA behind the interface of all students: losses, prediction, folders, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from openvla_network import batch, card, fill
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rldg_distill.distill import defaults
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import StudentError
from rldg_distill.students.openvla.config import SIZES
from rldg_distill.students.openvla.student import OpenVLAStudent, OpenVLAStudentConfig
from rldg_distill.students.registry import load_student

TOKENS = OpenVLAStudentConfig(lora_rank=0)
OFT = OpenVLAStudentConfig(lora_rank=0, variant="oft", chunk=4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def trained(
    config: OpenVLAStudentConfig, kind: str, rate: float, steps: int
) -> tuple[OpenVLAStudent, list[float]]:
    """A student after some steps, and its losses."""
    student = OpenVLAStudent.create(config, card())
    optimizer = torch.optim.AdamW(student.parameter_groups(0.0), lr=rate)
    losses = []
    for step in range(steps):
        parts = student.loss(batch(8, config.chunk, seed=step), kind)
        optimizer.zero_grad()
        parts["loss"].backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        losses.append(parts["loss"].item())
    return student.eval(), losses


def right_way(student: OpenVLAStudent) -> float:
    """Share of the motion that goes where new images say."""
    data = batch(16, student.config.chunk, seed=1000)
    action = student.predict(data)
    assert action.shape == (16, student.config.chunk, 7)
    assert (action[..., 6] > 0.5).all()
    return (action.sign() == data.action[:, -1].sign())[..., :6].float().mean().item()


def test_tokens_learn_which_way_the_image_says() -> None:
    student, _ = trained(TOKENS, "own", 1e-3, 35)
    assert right_way(student) > 0.9


def test_oft_learns_the_same() -> None:
    student, _ = trained(replace(OFT, chunk=2), "own", 5e-4, 70)
    assert right_way(student) > 0.9


@pytest.mark.parametrize("kind", ["teacher_kl", "teacher_expected"])
def test_the_teacher_is_learned_from(kind: str) -> None:
    _, losses = trained(TOKENS, kind, 1e-3, 10)
    assert losses[-1] < 0.5 * losses[0]


def test_the_teacher_counts_where_it_is_known_and_never_for_the_gripper() -> None:
    student = OpenVLAStudent.create(TOKENS, card())
    data = batch(4, 1)
    unknown = replace(data, teacher_mask=torch.zeros_like(data.teacher_mask))
    own = student.loss(data, "own")["loss"]
    assert torch.equal(student.loss(unknown, "teacher_kl")["loss"], own)
    assert torch.equal(student.loss(unknown, "teacher_expected")["loss"], own)
    assert not torch.equal(student.loss(data, "teacher_kl")["loss"], own)
    mean = data.teacher_mean.clone()
    mean[..., 6] += 3.0
    moved = replace(data, teacher_mean=mean)
    for kind in ("teacher_kl", "teacher_expected"):
        assert torch.equal(student.loss(moved, kind)["loss"], student.loss(data, kind)["loss"])


def test_actions_past_the_end_of_an_episode_count_nothing() -> None:
    student = OpenVLAStudent.create(OFT, card())
    data = batch(4, 4)
    mask = data.action_mask.clone()
    mask[:, :, 2:] = False
    short = replace(data, action_mask=mask)
    other = data.action.clone()
    other[:, :, 2:] = 0.0
    assert torch.equal(
        student.loss(short, "own")["loss"],
        student.loss(replace(short, action=other), "own")["loss"],
    )
    student.loss(replace(data, action_mask=mask & False), "own")["loss"].backward()


def test_acting_through_the_folder(tmp_path: Path) -> None:
    for number, config in enumerate((TOKENS, OFT)):
        student = OpenVLAStudent.create(config, card()).eval()
        folder = tmp_path / str(number)
        student.save(folder)
        loaded = load_student(folder)
        assert isinstance(loaded, OpenVLAStudent)
        image = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
        seen = StudentObservation({"image": image}, np.zeros((1, 19), np.float32))
        action = loaded.act(seen, "Insert the plug")
        assert action.shape == (config.chunk, 7)
        assert action.dtype == np.float32
        assert np.array_equal(action, student.act(seen, "Insert the plug"))


def exported(folder: Path) -> Path:
    """A checkpoint of the size of `tiny`."""
    student = OpenVLAStudent.create(TOKENS, card())
    fill(student.core, 3)
    student.export(folder)
    return folder


@pytest.mark.parametrize("variant", ["tokens", "oft"])
def test_a_student_on_a_checkpoint_keeps_its_adapters_alone(tmp_path: Path, variant: str) -> None:
    base = exported(tmp_path / "base")
    config = OpenVLAStudentConfig(lora_rank=4, variant=variant)
    student = OpenVLAStudent.create(config, card(), base).eval()
    for name, parameter in student.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    student.save(tmp_path / "student")
    with safe_open(tmp_path / "student" / "student.safetensors", "pt") as file:
        kept = set(file.keys())
    assert kept == {name for name, p in student.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("chunk_head") for name in kept)

    data = batch(4, 1)
    wanted = student.predict(data)
    loaded = load_student(tmp_path / "student")
    assert torch.equal(loaded.predict(data), wanted)
    again = OpenVLAStudent.create(
        OpenVLAStudentConfig(lora_rank=4, variant=variant), card(), tmp_path / "student"
    )
    assert torch.equal(again.eval().predict(data), wanted)

    student.export(tmp_path / "merged")
    merged = OpenVLAStudent.create(
        replace(TOKENS, variant=variant), card(), tmp_path / "merged"
    ).eval()
    if variant == "oft":
        assert student.chunk_head is not None
        assert merged.chunk_head is not None
        merged.chunk_head.load_state_dict(student.chunk_head.state_dict())
    assert torch.allclose(merged.predict(data), wanted, atol=1e-3)

    base.rename(tmp_path / "elsewhere")
    with pytest.raises(StudentError, match="cannot be read"):
        load_student(tmp_path / "student")


@pytest.mark.parametrize("variant", ["tokens", "oft"])
@pytest.mark.parametrize("rank", [0, 4])
def test_the_large_size_has_no_memory_before_its_bfloat16_weights_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, rank: int
) -> None:
    """As `7b` goes, at the sizes of `tiny`."""
    monkeypatch.setitem(SIZES, "7b", SIZES["tiny"])
    base = exported(tmp_path / "base")
    small = load_file(base / "model.safetensors")
    save_file(
        {name: tensor.bfloat16() for name, tensor in small.items()}, base / "model.safetensors"
    )
    config = OpenVLAStudentConfig(size="7b", variant=variant, lora_rank=rank)
    assert OpenVLAStudent(config, card()).device.type == "meta"
    student = OpenVLAStudent.create(config, card(), base)
    assert student.core.projector.fc3.bias.dtype == torch.bfloat16
    data = batch(2, 1)
    student.loss(data, "own")["loss"].backward()
    student.save(tmp_path / "student")
    loaded = load_student(tmp_path / "student")
    assert torch.equal(loaded.predict(data), student.eval().predict(data))


def test_loading_again_keeps_the_parameters_that_an_optimiser_holds(tmp_path: Path) -> None:
    base = exported(tmp_path / "base")
    student = OpenVLAStudent.create(OpenVLAStudentConfig(lora_rank=4), card(), base)
    student.save(tmp_path / "student")
    before = [id(parameter) for parameter in student.parameters()]
    student.load_weights(tmp_path / "student")
    assert [id(parameter) for parameter in student.parameters()] == before


def test_weights_of_another_student_are_refused(tmp_path: Path) -> None:
    OpenVLAStudent.create(OFT, card()).save(tmp_path)
    with pytest.raises(StudentError, match=r"another network.*chunk_head"):
        OpenVLAStudent.create(TOKENS, card()).load_weights(tmp_path)


def test_recipes_are_those_of_the_papers() -> None:
    training, config = defaults(OpenVLAStudent, "7b", "rldg")
    assert training.batch_size * training.accumulate == 6
    assert (training.learning_rate, training.augment, training.schedule) == (
        2e-5,
        "none",
        "constant",
    )
    assert isinstance(config, OpenVLAStudentConfig)
    assert (config.lora_rank, config.lora_output, config.chunk) == (32, True, 1)
    training, _ = defaults(OpenVLAStudent, "7b")
    assert (training.batch_size, training.learning_rate, training.augment) == (16, 5e-4, "openvla")


def test_what_cannot_be_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="start from the folder"):
        OpenVLAStudent.create(OpenVLAStudent.configure("7b"), card())
    with pytest.raises(StudentError, match="no openvla of size 7b"):
        OpenVLAStudent.create(OpenVLAStudent.configure("7b"), card(), exported(tmp_path))
    with pytest.raises(StudentError, match="teacher_expected"):
        OpenVLAStudent.create(OFT, card()).loss(batch(2, 4), "teacher_kl")
    with pytest.raises(StudentError, match="looks through"):
        OpenVLAStudent.create(replace(TOKENS, cameras=("front",)), card())
    for values, text in (
        ({"variant": "diffusion"}, "tokens, oft"),
        ({"chunk": 4}, "variant oft"),
        ({"window": 2}, "window 1"),
        ({"quantize": 4, "lora_rank": 0}, "lora_rank above 0"),
        ({"quantize": 3}, "0, 4, 8"),
        ({"cameras": ()}, "camera"),
    ):
        with pytest.raises(ValueError, match=text):
            OpenVLAStudentConfig(**values)
