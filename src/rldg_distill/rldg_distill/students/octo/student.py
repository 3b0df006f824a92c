# SPDX-License-Identifier: Apache-2.0
"""Octo as a student: the wrist image through the primary tokenizer as RLDG did, or any two cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from rldg_core.arm_spaces import ARM
from rldg_core.space import Spaces
from rldg_distill.students.batch import Inputs, StudentBatch
from rldg_distill.students.card import CARD, DataCard, StudentError
from rldg_distill.students.language import T5, LanguageEncoder, LanguageError, MiniLM
from rldg_distill.students.octo import checkpoint
from rldg_distill.students.octo.config import SIZES, OctoConfig
from rldg_distill.students.octo.octo import Octo, OctoInputs
from rldg_distill.students.octo.targets import sampled_action
from rldg_distill.students.student import Student, StudentConfig
from rldg_distill.students.teacher import expected_action

LANGUAGES = ("minilm", "t5")
LANGUAGE = "language"
"""folder of T5 beside the weights"""


@dataclass
class OctoStudentConfig(StudentConfig):
    """An Octo, what it looks at, and who reads its instructions."""

    size: str = "tiny"
    primary_camera: str = "image"
    """camera of the primary tokenizer; RLDG gave it the wrist's"""
    wrist_camera: str = ""
    """camera of the wrist tokenizer, which sees 128 pixels; empty: there is none"""
    primary_side: int = 256
    """[pixel] of the primary tokenizer's image; the official weights have positions for 256 only"""
    state: bool = False
    """proprioception is seen too, one token per number; the official weights know of none"""
    language: str = "t5"
    """encoder of the instructions: t5 comes with an official checkpoint, minilm with the installation"""
    merge: bool = False
    """from an official checkpoint take what fits and leave the rest random; otherwise all of it has to fit"""
    most: ClassVar[Mapping[str, int]] = {**StudentConfig.most, "primary_side": 512}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.language not in LANGUAGES:
            raise ValueError(f"no language '{self.language}'; there are: {', '.join(LANGUAGES)}")
        if not self.primary_camera and not self.wrist_camera:
            raise ValueError("Octo needs a camera: primary_camera or wrist_camera")
        if self.primary_camera == self.wrist_camera:
            raise ValueError(f"camera {self.primary_camera} cannot be both primary and wrist")
        network = self.network()
        if self.window > network.max_window:
            raise ValueError(f"window {self.window}; Octo has positions for {network.max_window}")

    def idle(self, *, begun: bool) -> dict[str, str]:
        """See `StudentConfig`."""
        reasons = {} if begun else {"merge": "there is no --init to take from"}
        if not self.primary_camera:
            reasons["primary_side"] = "there is no --primary-camera"
        return reasons

    @property
    def cameras(self) -> dict[str, str]:
        """Camera by tokenizer."""
        both = {"primary": self.primary_camera, "wrist": self.wrist_camera}
        return {tokenizer: camera for tokenizer, camera in both.items() if camera}

    def network(self, spaces: Spaces = ARM) -> OctoConfig:
        """The shapes of the network for actions and states of some spaces.

        Raises:
            ValueError: a size that there is not, or an image that cannot be cut into tokens.
        """
        if self.size not in SIZES:
            raise ValueError(f"no size '{self.size}' of octo; there are: {', '.join(SIZES)}")
        encoder = MiniLM if self.language == "minilm" else T5
        sides = {"primary": self.primary_side, "wrist": 128}
        return replace(
            SIZES[self.size],
            images={name: sides[name] for name in self.cameras},
            state_dim=len(spaces.state) if self.state else 0,
            action_dim=len(spaces.action),
            chunk=self.chunk,
            language_tokens=encoder.tokens,
            language_width=encoder.width,
        )


class OctoStudent(Student):
    """Octo 1.5, from an official checkpoint or from nothing.

    The language encoder is frozen and no part of the weights; T5 is kept in a folder beside them.
    """

    name = "octo"
    sizes = tuple(SIZES)
    losses = ("own", "teacher_kl", "teacher_expected")
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Octo's own script for fine-tuning.
        "default": {
            "steps": 50000,
            "batch_size": 256,
            "learning_rate": 3e-4,
            "warmup": 2000,
            "augment": "octo",
        },
        # Enough for three connectors from 150 episodes of specialists (docs/how-to/distill.md).
        "default/tiny": {
            "loss": "teacher_expected",
            "steps": 6000,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "warmup": 200,
            "ema": 0.999,
            "crop": False,
        },
        # The paper names batch, steps and the image of 128 pixels; the rest is Octo's.
        "rldg": {
            "steps": 30000,
            "batch_size": 64,
            "learning_rate": 3e-4,
            "warmup": 2000,
            "primary_side": 128,
            "merge": True,
        },
    }
    config: OctoStudentConfig

    def __init__(self, config: OctoStudentConfig, data: DataCard) -> None:
        super().__init__(config, data)
        self.octo = Octo(config.network(data.spaces))
        self.left_random: tuple[str, ...] = ()
        """what of the network a merged checkpoint did not have, by its names in flax"""
        self._language: LanguageEncoder | None = None

    @classmethod
    def configure(cls, size: str) -> OctoStudentConfig:
        """`small` and `base` so that the official weights fit; `tiny` so that two CPU cores train it."""
        if size == "tiny":
            return OctoStudentConfig(size, primary_side=64, language="minilm")
        return OctoStudentConfig(size)

    @classmethod
    def create(cls, config: StudentConfig, data: DataCard, init: Path | None = None) -> Self:
        """As every student; T5 has to come from somewhere.

        Raises:
            StudentError: nothing says where T5 comes from; and as of every student.
        """
        assert isinstance(config, OctoStudentConfig)
        if config.language == "t5" and init is None:
            raise StudentError(
                "T5's weights come with a checkpoint of Octo: start from one (--init), or take --language minilm"
            )
        return super().create(config, data, init)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """Squares."""
        sides = self.config.network().images
        return {
            camera: (sides[tokenizer], sides[tokenizer])
            for tokenizer, camera in self.config.cameras.items()
        }

    @property
    def cropped_cameras(self) -> frozenset[str]:
        """Octo cuts the primary camera's images alone."""
        return frozenset({self.config.primary_camera} - {""})

    @property
    def language(self) -> LanguageEncoder:
        """Who reads the instructions.

        Raises:
            StudentError: T5, and no checkpoint was given.
        """
        if self._language is None:
            if self.config.language == "t5":
                raise StudentError("this student has no T5: initialise it from a checkpoint")
            self._language = MiniLM()
        return self._language

    # --- training and acting --------------------------------------------------------------------------------------

    def loss(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """Squared error of the predicted noise, in the actions that were done or in the teacher's.

        own: the actions that were done. teacher_expected: the teacher's mean action where it is known. teacher_kl: one
        drawn anew from the teacher's distribution every time; a diffusion loss bounds, up to weights of its terms and
        a constant, the divergence of what it learns from what its targets are drawn from.

        Raises:
            StudentError: no such loss.
        """
        if kind not in self.losses:
            raise StudentError(f"octo has no loss '{kind}'; there are: {', '.join(self.losses)}")
        targets = {"teacher_kl": sampled_action, "teacher_expected": expected_action}
        action = targets[kind](batch) if kind in targets else batch.action
        readout = self.octo(self._octo_inputs(batch)).float()
        loss = self.octo.head.loss(
            readout,
            self.normalize_action(action),
            batch.action_mask,
            *self.octo.head.sample_time_and_noise(readout),
        )
        return {"loss": loss}

    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, A) float32: drawn from what it learned, by torch's default generator."""
        readout = self.octo(self._octo_inputs(inputs))[:, -1].float()
        return self.normalize_action.undo(self.octo.head.sample(readout))

    def _octo_inputs(self, inputs: Inputs) -> OctoInputs:
        device = inputs.step_mask.device
        has_instruction = torch.tensor([bool(text) for text in inputs.instruction], device=device)
        return OctoInputs(
            images={name: inputs.images[camera] for name, camera in self.config.cameras.items()},
            step_mask=inputs.step_mask,
            language=self.language(inputs.instruction).to(device),
            language_mask=has_instruction,
            state=self.normalize_state(inputs.state) if self.config.state else None,
        )

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Octo decays matrices and filters, not its positions."""
        decayed: list[Tensor] = []
        free: list[Tensor] = []
        for name, parameter in self.named_parameters():
            is_kernel = parameter.ndim >= 2 and name.endswith("weight")
            (decayed if is_kernel else free).append(parameter)
        return [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]

    def units(self) -> list[nn.Module]:
        """The transformer's blocks: of `base` 85 of 91 M parameters."""
        return list(self.octo.transformer.blocks)

    # --- files ----------------------------------------------------------------------------------------------------

    def initialize(self, checkpoint_folder: Path) -> None:
        """From an official folder of Octo 1.5, or from a student like this one.

        Of an official checkpoint the tensors of image tokenizers that this student does without are left out.

        Raises:
            StudentError: something is missing, damaged, or does not fit and `merge` is off.
        """
        if (checkpoint_folder / CARD).is_file():
            self.go_on_from(checkpoint_folder)
            return
        try:
            official = checkpoint.read(checkpoint_folder)
            unused = set(SIZES["base"].images) - set(self.octo.config.images)
            mismatch = checkpoint.load(self.octo, official.without(unused), self.config.merge)
            if self.config.language == "t5":
                tokenizer = checkpoint_folder / "tokenizer.json"
                self._language = T5.from_flax(official.language, tokenizer)
        except (checkpoint.OctoCheckpointError, LanguageError) as error:
            raise StudentError(str(error)) from error
        self.left_random = (*mismatch.missing, *mismatch.misshapen)

    def save_weights(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """As every student; T5 once."""
        super().save_weights(folder, tensors)
        if isinstance(self._language, T5):
            self._language.save(folder / LANGUAGE)

    def load_weights(self, folder: Path) -> None:
        """As every student, and T5.

        Raises:
            StudentError: as of every student; T5's weights are missing or damaged.
        """
        super().load_weights(folder)
        if self.config.language == "t5":
            try:
                self._language = T5.load(folder / LANGUAGE)
            except LanguageError as error:
                raise StudentError(str(error)) from error


STUDENT = OctoStudent
