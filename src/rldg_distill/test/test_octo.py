# SPDX-License-Identifier: Apache-2.0
"""Octo against numbers of the original code, and what holds of it by itself."""

from __future__ import annotations

import json
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
        wanted = {key.split("/")[1]: value for key, value in self.given.items() if f"{name}/" in key}
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
