# SPDX-License-Identifier: Apache-2.0
"""A new learner: encoder, agent and replay buffer, made to fit each other and the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.learner import Learner
from rldg_rl.agent_config import agent_config
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import StoredStep
from rldg_rl.learner_config import DISK, LearnerConfig
from rldg_rl.robot.observation import state_dim
from rldg_rl.run_folder import RunFolder, RunFolderError
from rldg_rl.vision.backbones import BackboneError
from rldg_rl.vision.encoders import make_encoder
from rldg_rl.vision.image_encoder import Encoder, ImageEncoder, encoded
from rldg_rl.vision.pixels import IMAGE_SIZE, VARIANTS
from rldg_rl.vision.scratch_encoder import ScratchEncoder, unseen


@dataclass(frozen=True)
class LearnerSetup:
    """The parameters that say what a learner is made of."""

    task: Task
    run: RunFolder
    seed: int
    observation: str
    """state or image"""
    encoder: str
    """of images, by name; see `encoders`"""
    buffer: str
    """where the images lie that are looked at again and again: MEMORY or DISK"""

    def make(self) -> tuple[Learner, Encoder | None]:
        """The learner, and what encodes images for it, if it takes any.

        Raises:
            UserError: there is no such encoder, no room for the images, or the run's folder cannot be written.
        """
        encoder = self._make_encoder()
        pupil = encoder if isinstance(encoder, ScratchEncoder) else None
        observation_dim = encoder.output_dim if encoder else state_dim(self.task)
        config = LearnerConfig()
        agent = Agent(
            agent_config(self.task, learns_to_see=pupil is not None),
            observation_dim,
            self.task.action_dim,
            self.seed,
            self.task.grasp_penalty if self.task.learns_gripper else None,
            encoder.tensors if encoder else None,
            pupil,
        )
        buffer = self._make_buffer(config.capacity, encoder, observation_dim)
        return Learner(agent, buffer, config, self.seed, look=self._look(encoder)), encoder

    def _make_encoder(self) -> Encoder | None:
        if self.observation != "image":
            return None
        try:
            return make_encoder(self.encoder, self.task, self.seed)
        except BackboneError as error:
            raise UserError(str(error)) from error

    def _look(self, encoder: Encoder | None) -> Callable[[StoredStep], StoredStep] | None:
        """What makes of a step with an image one that the buffer holds."""
        if encoder is None:
            return None
        if isinstance(encoder, ImageEncoder):
            generator = torch.Generator().manual_seed(self.seed)
            return partial(encoded, encoder=encoder, task=self.task, generator=generator)
        return partial(unseen, task=self.task)

    def _make_buffer(
        self, capacity: int, encoder: Encoder | None, observation_dim: int
    ) -> ReplayBuffer:
        pupil = isinstance(encoder, ScratchEncoder)
        try:
            self.run.prepare()
            return ReplayBuffer(
                capacity,
                encoder.body_dim if encoder and pupil else observation_dim,
                self.task.action_dim,
                VARIANTS if isinstance(encoder, ImageEncoder) else 1,
                IMAGE_SIZE if pupil else 0,
                self.run.path if self.buffer == DISK else None,
            )
        except RunFolderError as error:
            raise UserError(str(error)) from error
        except OSError as error:
            raise UserError(
                f"no room in {self.run.path} for the images of {capacity} frames, "
                f"{3 * IMAGE_SIZE**2 * capacity / 1e9:.1f} GB ({error.strerror}): make room, or leave buffer:=disk out"
            ) from error
