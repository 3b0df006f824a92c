# SPDX-License-Identifier: Apache-2.0
"""Octo as a student: losses, acting, official checkpoints, its folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import octo_reference as reference
import pytest
import torch
from tokenizers import Tokenizer, models

from rldg_distill.students.batch import StudentBatch, StudentObservation
from rldg_distill.students.card import DataCard, StudentError
from rldg_distill.students.octo.checkpoint import sources
from rldg_distill.students.octo.config import SIZES
from rldg_distill.students.octo.student import OctoStudent, OctoStudentConfig
from rldg_distill.students.registry import load_student

torch.set_num_threads(1)
SCALE = torch.tensor([0.01] * 3 + [0.05] * 3)


def row(size: int, masked: int) -> dict[str, list[float] | list[bool]]:
    numbers = {"mean": 0.0, "std": 0.5, "min": -1.0, "max": 1.0, "q01": -0.9, "q99": 0.9}
    rows = {name: [value] * size for name, value in numbers.items()}
    return {**rows, "mask": [True] * (size - masked) + [False] * masked}


CARD = DataCard(
    statistics={"action": row(7, 1), "state": row(19, 0)},
    fingerprints={"toy": "0"},
    cameras={"image": (128, 128)},
    topics={"image": "/wrist/image"},
    control_rate=10.0,
    instructions=("insert the VGA connector into the port",),
)


def batch(student: OctoStudent, size: int = 2, window: int = 1) -> StudentBatch:
    generator = torch.Generator().manual_seed(0)
    side, chunk = student.image_sizes["image"], student.config.chunk
    mean = torch.rand(size, window, chunk, 7, generator=generator) - 0.5
    mask = torch.ones(size, window, chunk, dtype=torch.bool)
    return StudentBatch(
        images={
            "image": torch.randint(
                0, 256, (size, window, *side, 3), generator=generator, dtype=torch.uint8
            )
        },
        step_mask=torch.ones(size, window, dtype=torch.bool),
        state=torch.rand(size, window, 19, generator=generator),
        instruction=["insert the VGA connector into the port"] * size,
        action=torch.rand(size, window, chunk, 7, generator=generator),
        action_mask=mask.clone(),
        teacher_mean=mean,
        teacher_log_std=torch.full_like(mean, -20.0),
        teacher_mask=mask.clone(),
        action_scale=SCALE.expand(size, 6),
    )


@pytest.fixture(scope="module")
def tiny() -> OctoStudent:
    torch.manual_seed(0)
    return OctoStudent.create(OctoStudent.configure("tiny"), CARD)


def test_the_losses_differ_in_their_targets_alone(tiny: OctoStudent) -> None:
    given = batch(tiny)

    def loss(kind: str, changed: StudentBatch = given) -> float:
        torch.manual_seed(1)
        with torch.inference_mode():
            return tiny.loss(changed, kind)["loss"].item()

    done = torch.cat((torch.tanh(given.teacher_mean[..., :6]) * SCALE, given.action[..., 6:]), -1)
    like_teacher = replace(given, action=done)
    # A teacher that is sure has one action; where none is known, what was done is imitated.
    assert loss("teacher_expected") == pytest.approx(loss("own", like_teacher), rel=1e-4)
    assert loss("teacher_expected") != pytest.approx(loss("own"), rel=1e-3)
    unknown = replace(given, teacher_mask=torch.zeros_like(given.teacher_mask))
    assert loss("teacher_expected", unknown) == pytest.approx(loss("own"), rel=1e-4)
    with pytest.raises(StudentError, match="no loss 'l2'; there are: own, teacher_kl, teacher_exp"):
        tiny.loss(given, "l2")


def test_teacher_kl_draws_anew_from_the_teacher(tiny: OctoStudent) -> None:
    given = batch(tiny, 64)
    given.teacher_log_std = torch.full_like(given.teacher_mean, -1.0)
    from rldg_distill.students.octo.targets import sampled_action

    torch.manual_seed(0)
    drawn = torch.stack([sampled_action(given) for _ in range(400)])
    raw = torch.atanh(drawn[..., :6] / SCALE)
    assert torch.allclose(raw.mean(0), given.teacher_mean[..., :6], atol=0.1)
    assert raw.std(0).mean().item() == pytest.approx(np.exp(-1.0), rel=0.02)
    assert torch.equal(drawn[0, ..., 6], given.action[..., 6])


def test_acts_and_is_the_same_after_a_folder(tiny: OctoStudent, tmp_path: Path) -> None:
    tiny.save(tmp_path)
    again = load_student(tmp_path)
    observation = StudentObservation(
        {"image": np.zeros((1, 128, 128, 3), np.uint8)}, np.zeros((1, 19), np.float32)
    )
    actions = []
    for student in (tiny.eval(), again):
        torch.manual_seed(0)
        actions.append(student.act(observation, "plug the VGA cable in"))
    assert actions[0].shape == (4, 7)
    np.testing.assert_array_equal(actions[0], actions[1])


def test_every_parameter_is_trained_and_positions_do_not_decay(tiny: OctoStudent) -> None:
    tiny.zero_grad()
    tiny.loss(batch(tiny), "own")["loss"].backward()
    assert [name for name, p in tiny.named_parameters() if p.grad is None] == []
    decayed, free = (group["params"] for group in tiny.parameter_groups(0.01))
    assert all(p.ndim >= 2 for p in decayed)
    assert any(p is tiny.octo.positions["obs_primary"] for p in free)
    assert len(decayed) + len(free) == len(list(tiny.parameters()))


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """octo-small-1.5 by names and shapes, with zeros and a T5 of two layers."""
    folder = tmp_path_factory.mktemp("official") / "octo-small-1.5"
    tensors = {
        name: np.zeros(source.shape, np.float32)
        for source in sources(SIZES["small"]).values()
        for name in source.names
    }
    with np.load(reference.DATA / "t5_reduced.npz") as given:
        shapes = json.loads(str(given["shapes"]))
    for name, array in reference.weights(shapes).items():
        tensors[f"octo_transformer/task_tokenizers_language/hf_model/{name}"] = array
    reference.write_checkpoint(folder, tensors)
    words = ["<pad>", "</s>", "<unk>", "insert", "vga", "usb"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_the_official_weights_fit_the_wrist_image_in_the_primary_tokenizer(
    official: Path, tmp_path: Path
) -> None:
    student = OctoStudent.create(OctoStudent.configure("small"), CARD, official)
    assert student.image_sizes == {"image": (256, 256)}
    assert student.left_random == ()
    assert all(not parameter.any() for parameter in student.parameters())
    student.save(tmp_path)
    again = load_student(tmp_path)
    assert isinstance(again, OctoStudent)
    instruction = ["vga"]
    assert torch.equal(student.language(instruction), again.language(instruction))


def test_another_chunk_and_proprioception_have_to_be_asked_for(official: Path) -> None:
    config = replace(OctoStudent.configure("small"), chunk=8, state=True)
    with pytest.raises(StudentError, match="obs_proprio_projection"):
        OctoStudent.create(config, CARD, official)
    student = OctoStudent.create(replace(config, merge=True), CARD, official)
    names = " ".join(student.left_random)
    assert len(student.left_random) == 6
    assert "obs_proprio_pos_embedding" in names
    assert "reverse_network/Dense_1/bias (28,), not (56,)" in names
    assert student.octo.projections["obs_proprio"].weight.any()


def test_what_cannot_be_is_refused_before_training() -> None:
    with pytest.raises(StudentError, match="T5's weights come with a checkpoint"):
        OctoStudent.create(OctoStudent.configure("small"), CARD)
    with pytest.raises(ValueError, match="no size 'huge' of octo; there are: tiny, small, base"):
        OctoStudentConfig("huge")
    with pytest.raises(ValueError, match="window 11; Octo has positions for 10"):
        OctoStudentConfig("tiny", window=11)
    with pytest.raises(ValueError, match="16 must divide it"):
        OctoStudentConfig("tiny", primary_side=100)
    with pytest.raises(StudentError, match=r"octo looks through \['side'\], the data have"):
        OctoStudent(OctoStudentConfig("tiny", primary_camera="side"), CARD)
