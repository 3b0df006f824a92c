# SPDX-License-Identifier: Apache-2.0
"""What evaluation and collection share: whoever acts has learned already, or is a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rldg_core.contract import Topic
from rldg_rl.acting.run_state import RunState
from rldg_rl.modes.context import Context
from rldg_rl.modes.loaded_policies import LoadedPolicies
from rldg_rl.modes.plan_check import check_resets


class NothingLearned:
    """The part of `mode.Mode` that is the same where there is no learner."""

    helped = False
    sees = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loaded = LoadedPolicies()
        self.policies = self._loaded.of
        self.deterministic = context.parameters.deterministic
        self.topics: dict[Topic, Callable[[Any], None]] = {}

    def check(self) -> None:
        """See `mode.Mode`."""
        check_resets(self._context.parameters, self._context.tasks)

    def config(self) -> dict[str, Any]:
        """See `mode.Mode`."""
        return {}

    def load(self) -> None:
        """See `mode.Mode`."""
        self._loaded.load(self._context)

    def before_episode(self, source: str, state: RunState) -> None:
        """See `mode.Mode`."""
        self._loaded.wait(self._context.waiting)

    def before_step(self, state: RunState) -> None:
        """See `mode.Mode`."""
        self._loaded.check()

    def teaches(self, source: str) -> bool:
        """See `mode.Mode`."""
        return False

    def finish(self) -> None:
        """See `mode.Mode`: it has its file already."""
