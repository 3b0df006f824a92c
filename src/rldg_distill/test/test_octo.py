# SPDX-License-Identifier: Apache-2.0
"""Octo against numbers of the original code, and what holds of it by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import octo_reference as reference
import pytest
import torch

from rldg_distill.students.octo import checkpoint
from rldg_distill.students.octo.config import OctoConfig
from rldg_distill.students.octo.octo import Octo, OctoInputs

torch.set_num_threads(1)
TOLERANCE = 1e-4
"""largest difference from the original that is one of rounding"""


class Case:
    """The reduced network with the weights that the original had, and what the original gave."""

    def __init__(self, folder: Path, file: Path) -> None:
        with np.load(file) as given:
            self.given = {name: given[name] for name in given.files}
        self.raw = json.loads(str(self.given["config"]))
        self.shapes = json.loads(str(self.given["shapes"]))
        self.config = OctoConfig(**{**self.raw, "stem": tuple(self.raw["stem"])})
        reference.write_checkpoint(folder, reference.weights(self.shapes))
        self.octo = Octo(self.config)
        assert not checkpoint.load(self.octo, checkpoint.read(folder))
        self.x = {k: torch.from_numpy(v) for k, v in reference.inputs(self.raw).items()}

    def inputs(self, images: list[str], goals: list[str], window: int = 2) -> OctoInputs:
        """Of the original, with nothing masked."""
        batch = len(self.x["language"])
        return OctoInputs(
            images={name: self.x[f"image_{name}"][:, :window] for name in images},
            step_mask=torch.ones(batch, window, dtype=torch.bool),
            language=self.x["language"],
            language_mask=torch.ones(batch, dtype=torch.bool),
            state=self.x["state"][:, :window] if "state" in self.x else None,
            goals={name: self.x[f"goal_{name}"] for name in goals},
        )

    @torch.inference_mode()
    def check(self, name: str, inputs: OctoInputs) -> None:
        """Every token and the noise that the head tells."""
        found = self.octo.tokens(inputs)
        wanted = {
            key.split("/")[1]: value for key, value in self.given.items() if f"{name}/" in key
        }
        assert found.keys() <= wanted.keys()
        for group, tokens in found.items():
            np.testing.assert_allclose(tokens.numpy(), wanted[group], 0, TOLERANCE, err_msg=group)
        window = inputs.step_mask.shape[1]
        noise = self.octo.head(
            self.octo(inputs), self.x["noisy"][:, :window], self.x["time"][:, :window]
        )
        np.testing.assert_allclose(noise.numpy(), wanted["noise"], 0, TOLERANCE)

    @torch.inference_mode()
    def check_head(self, name: str, inputs: OctoInputs) -> None:
        """Loss and sampled actions, with the original's random numbers."""
        given = {
            key.split("/")[1]: torch.from_numpy(value)
            for key, value in self.given.items()
            if f"{name}/" in key
        }
        embedding = self.octo(inputs)
        mask = given["loss_mask"] & inputs.step_mask[..., None]
        loss = self.octo.head.loss(
            embedding, self.x["action"], mask, given["loss_time"], given["loss_noise"]
        )
        assert loss.item() == pytest.approx(given["loss"].item(), rel=1e-5)
        sample = self.octo.head.sample(embedding[:, -1], given["sample_noise"])
        np.testing.assert_allclose(sample.numpy(), given["sample"].numpy(), 0, TOLERANCE)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("octo"), reference.DATA / "octo_reduced.npz")


def test_both_cameras_with_goals_equal_the_original(case: Case) -> None:
    inputs = case.inputs(["primary", "wrist"], ["primary", "wrist"])
    case.check("goals", inputs)
    case.check_head("goals", inputs)


def test_masked_steps_images_and_instructions_equal_the_original(case: Case) -> None:
    inputs = case.inputs(["primary", "wrist"], ["primary"])
    inputs.step_mask[0, 0] = False
    inputs.image_masks["wrist"] = torch.ones_like(inputs.step_mask)
    inputs.image_masks["wrist"][1] = False
    inputs.language_mask[2] = False
    case.check("masks", inputs)
    case.check_head("masks", inputs)


def test_one_camera_and_one_step_equal_the_original(case: Case) -> None:
    case.check("primary", case.inputs(["primary"], [], window=1))


def test_an_instruction_reaches_the_readout_and_the_future_does_not(case: Case) -> None:
    inputs = case.inputs(["primary"], [])
    with torch.inference_mode():
        before = case.octo(inputs)
        inputs.images["primary"] = inputs.images["primary"].clone()
        inputs.images["primary"][:, 1] = 0
        later = case.octo(inputs)
        inputs.language = inputs.language + 1
        instructed = case.octo(inputs)
    assert torch.allclose(before[:, 0], later[:, 0], atol=1e-5)
    assert not torch.allclose(before[:, 1], later[:, 1], atol=1e-2)
    assert not torch.allclose(later[:, 0], instructed[:, 0], atol=1e-2)


def test_learns_which_images_go_with_which_actions(case: Case) -> None:
    torch.manual_seed(0)
    octo = Octo(replace(case.config, head_width=64, time_width=16))
    inputs, action = case.inputs(["wrist"], []), case.x["action"].clamp(-1, 1).repeat(16, 1, 1, 1)
    mask = torch.ones(action.shape[:-1], dtype=torch.bool)
    optimizer = torch.optim.Adam(octo.parameters(), 3e-3)
    for _ in range(300):
        embedding = octo(inputs).repeat(16, 1, 1)
        loss = octo.head.loss(embedding, action, mask, *octo.head.sample_time_and_noise(embedding))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        embedding = octo(inputs).repeat(16, 1, 1)
        draw = octo.head.sample_time_and_noise(embedding)
        right = octo.head.loss(embedding, action, mask, *draw)
        wrong = octo.head.loss(embedding.roll(1, 0), action, mask, *draw)
    assert right < 1 < wrong / 4  # saying nothing at all costs 7


def test_masked_actions_do_not_move_the_loss(case: Case) -> None:
    embedding, action = torch.randn(2, 1, 32), torch.randn(2, 1, 3, 7)
    mask = torch.tensor([[[True, True, False]], [[True, False, False]]])
    time, noise = case.octo.head.sample_time_and_noise(embedding)
    loss = case.octo.head.loss(embedding, action, mask, time, noise)
    error = torch.stack(
        [
            case.octo.head.loss(embedding, action, mask & only, time, noise)
            for only in torch.eye(3, dtype=torch.bool)[:2]
        ]
    )
    # Two actions of the first place count, one of the second.
    assert loss.item() == pytest.approx((2 * error[0] + error[1]).item() / 3, rel=1e-4)


def test_wrong_inputs_are_named(case: Case) -> None:
    inputs = case.inputs(["primary"], [])
    inputs.images = {"primary": inputs.images["primary"][:, :, :32]}
    with pytest.raises(ValueError, match=r"images of primary: \(3, 2, 32, 64, 3\), \(3, 2, 64, 64"):
        case.octo(inputs)
    inputs.images = {"side": case.x["image_primary"]}
    with pytest.raises(
        ValueError, match=r"no image tokenizer \['side'\]; there are: primary, wrist"
    ):
        case.octo(inputs)


def test_a_checkpoint_that_does_not_fit_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    tensors = reference.weights(case.shapes)
    bias = "octo_transformer/obs_wrist_projection/bias"
    position = "octo_transformer/obs_primary_pos_embedding"
    del tensors[bias]
    tensors[position] = tensors[position][:, :, :4]
    tensors["heads_value/kernel"] = np.ones((2, 2), np.float32)
    found = checkpoint.read(reference.write_checkpoint(tmp_path, tensors))
    octo = Octo(case.config)
    before = {name: tensor.clone() for name, tensor in octo.state_dict().items()}
    with pytest.raises(checkpoint.OctoCheckpointError) as caught:
        checkpoint.load(octo, found)
    for part in (
        f"1 missing: {bias}",
        "1 unexpected: heads_value/kernel",
        "(1, 3, 4, 32), not (1, 3, 16, 32)",
    ):
        assert part in str(caught.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in octo.state_dict().items())

    mismatch = checkpoint.load(octo, found, merge=True)
    assert mismatch.missing == (bias,)
    changed = {
        name for name, tensor in octo.state_dict().items() if not torch.equal(before[name], tensor)
    }
    kept = before.keys() - changed
    assert kept == {"projections.obs_wrist.bias", "positions.obs_primary"}


def test_octo_1_0_and_broken_folders_are_refused(case: Case, tmp_path: Path) -> None:
    tensors = {"a": np.ones(2, np.float32)}
    old = reference.write_checkpoint(tmp_path / "old", tensors, {"use_correct_attention": False})
    with pytest.raises(checkpoint.OctoCheckpointError, match=r"checkpoint of Octo 1\.0"):
        checkpoint.read(old)
    with pytest.raises(checkpoint.OctoCheckpointError, match=r"there is no config\.json"):
        checkpoint.read(tmp_path)
    cut = reference.write_checkpoint(tmp_path / "cut", tensors)
    file = cut / "300000" / "default" / "checkpoint"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(checkpoint.OctoCheckpointError, match="damaged"):
        checkpoint.read(cut)
    file.unlink()
    with pytest.raises(checkpoint.OctoCheckpointError, match="no <step>/default/checkpoint"):
        checkpoint.read(cut)
