# SPDX-License-Identifier: Apache-2.0
"""A trained policy in the place of the person who demonstrates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rldg_core.vocabulary import ExecutedBy
from rldg_rl.acting.actor import Policy
from rldg_rl.episodes.step import Belief
from rldg_rl.robot.observation import Observation


class Demonstrator(Policy):
    """Does what that policy does; it counts as demonstrated."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def begin(self, seen: Observation, seed: int) -> None:
        """See `actor.Policy`."""
        self._policy.begin(seen, seed)

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """See `actor.Policy`."""
        return replace(
            self._policy.act(seen, state, deterministic), author=ExecutedBy.DEMONSTRATION
        )
