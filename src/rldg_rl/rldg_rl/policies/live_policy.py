# SPDX-License-Identifier: Apache-2.0
"""The policy that the actor acts with: the newest weights that arrived, or those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rldg_core.space import Spaces
from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_rl.acting import actor
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    check_spaces,
    describe_weights,
    policy_from_bytes,
    save_policy,
)
from rldg_rl.agent.policy import ENCODER, GaussianPolicy
from rldg_rl.episodes.step import Belief
from rldg_rl.robot.observation import Observation, body_part, state_dim
from rldg_rl.robot.specialist_spaces import specialist_spaces

if TYPE_CHECKING:
    from rldg_rl.vision.image_encoder import ImageEncoder


class LivePolicy(actor.Policy):
    """Acts with the weights that were loaded last; its exploration noise goes on across them to the episode's end.

    Weights that an encoder comes with look at the wrist image and are blind to the goal in the state.
    """

    led_in = True

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rng = np.random.default_rng()
        self._policy: GaussianPolicy | None = None
        self._encoder: ImageEncoder | None = None
        self._sight: dict[str, np.ndarray] = {}
        self.version = -1
        """the learner's update count when the weights were published; -1: none yet"""

    @property
    def ready(self) -> bool:
        """Whether weights have arrived."""
        return self._policy is not None

    def load(self, data: bytes) -> None:
        """Take weights in safetensors format.

        Raises:
            checkpoint.CheckpointError: of another contract, shape or space, or broken.
        """
        policy, version = policy_from_bytes(data, rng=self._rng)
        if policy.encoder:
            self.see(policy.encoder)
        encoder = self._encoder
        wanted = (encoder.output_dim if encoder else state_dim(self._task), self._task.action_dim)
        if (sizes := (policy.observation_dim, policy.action_dim)) != wanted:
            raise CheckpointError(
                f"the policy takes and gives {sizes} numbers, this task {wanted}: "
                "it was trained for another kind of task or observation"
            )
        check_spaces(describe_weights(data), self._spaces, "the policy")
        self._policy, self.version = policy, version

    def follow(self, policy: GaussianPolicy, version: int) -> None:
        """Act with a policy whose weights a learner of this process changes in place.

        Raises:
            checkpoint.CheckpointError: what looks for it is another task's.
        """
        if policy.encoder:
            self.see(policy.encoder)
        policy.rng = self._rng
        self._policy, self.version = policy, version

    @property
    def _spaces(self) -> Spaces:
        """Of the actions and observations of weights that it takes."""
        return specialist_spaces(self._task, self._encoder.output_dim if self._encoder else 0)

    def see(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take the encoder that looks for all weights from now on which bring none.

        Raises:
            checkpoint.CheckpointError: it is another task's, or needs what is not installed.
        """
        # Specialists with the state observation need no torch.
        encoders = import_module("rldg_rl.vision.encoders")
        try:
            self._encoder = encoders.encoder_of(weights, self._task)
        except (ValueError, UserError) as error:
            raise CheckpointError(f"the policy does not fit this task: {error}") from error
        self._sight = {ENCODER + name: tensor for name, tensor in weights.items()}
        self.looks = True

    def save(self, path: Path) -> None:
        """Write the weights that were loaded last, as the learner does.

        Raises:
            checkpoint.CheckpointError: the file cannot be written.
        """
        assert self._policy is not None, "no weights yet"
        whole = GaussianPolicy({**self._policy.tensors, **self._sight})
        save_policy(path, whole, self._task.id, self.version, self._spaces)

    def begin(self, seen: Observation, seed: int) -> None:
        """See `actor.Policy`."""
        assert self._policy is not None, "no weights yet"
        # The start pose is drawn from this seed too: not the same numbers again.
        self._rng = self._policy.rng = np.random.default_rng([seed, 1])

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """See `actor.Policy`."""
        assert self._policy is not None, "no weights yet"
        observation = state
        if self._encoder is not None:
            (observation,) = self._encoder.encode(seen.image, body_part(state, self._task))
        action, mean, log_std = self._policy.act(observation, deterministic)
        return Belief(action, mean, log_std, self.version)
