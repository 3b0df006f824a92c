# SPDX-License-Identifier: Apache-2.0
"""The policy that the actor acts with: the newest weights that arrived, or those of a file."""

from __future__ import annotations

import numpy as np

from rldg_rl import actor
from rldg_rl.actor import Belief
from rldg_rl.checkpoint import CheckpointError, policy_from_bytes
from rldg_rl.observation import Observation, state_dim
from rldg_rl.policy import Policy
from rldg_robot.task import Task


class LivePolicy(actor.Policy):
    """Acts with the weights that were loaded last; its exploration noise goes on across them to the episode's end."""

    led_in = True

    def __init__(self, task: Task) -> None:
        self._sizes = (state_dim(task), task.action_dim)
        self._rng = np.random.default_rng()
        self._policy: Policy | None = None
        self.version = -1
        """the learner's update count when the weights were published; -1: none yet"""

    @property
    def ready(self) -> bool:
        """Whether weights have arrived."""
        return self._policy is not None

    def load(self, data: bytes) -> None:
        """Take weights in safetensors format.

        Raises:
            checkpoint.CheckpointError: of another contract or shape, or broken.
        """
        policy, version = policy_from_bytes(data, rng=self._rng)
        if (sizes := (policy.observation_dim, policy.action_dim)) != self._sizes:
            raise CheckpointError(
                f"the policy takes and gives {sizes} numbers, this task {self._sizes}: "
                "it was trained for another kind of task or observation"
            )
        self._policy, self.version = policy, version

    def begin(self, seen: Observation, seed: int) -> None:
        """See `actor.Policy`."""
        assert self._policy is not None, "no weights yet"
        # The start pose is drawn from this seed too: not the same numbers again.
        self._rng = self._policy.rng = np.random.default_rng([seed, 1])

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """See `actor.Policy`."""
        assert self._policy is not None, "no weights yet"
        action, mean, log_std = self._policy.act(state, deterministic)
        return Belief(action, mean, log_std, self.version)
