# SPDX-License-Identifier: Apache-2.0
"""The trained policies that act in a run, one of every task; students may be on another machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rldg_rl.acting.actor import EpisodeAborted, Policy
from rldg_rl.modes.context import Context
from rldg_rl.policies.trained_policy import trained_policy
from rldg_rl.waiting import Waiting

if TYPE_CHECKING:
    from rldg_rl.policies.far_student import FarStudent
    from rldg_rl.policies.live_policy import LivePolicy
    from rldg_rl.policies.student_policy import StudentPolicy

WHOM = "the student on the other machine"


class LoadedPolicies:
    """Policies by task; none where a person leads."""

    def __init__(self) -> None:
        self.of: dict[str, LivePolicy | StudentPolicy] = {}
        """by task"""
        self._far: FarStudent | None = None

    def load(self, context: Context) -> None:
        """Get them ready: as many as there are tasks, or one for all.

        Raises:
            UserError: one cannot be read, or does not fit its task.
        """
        given = context.parameters
        paths = [Path(path) for path in given.policy.split(",") if path]
        if len(paths) == 1:
            paths *= len(context.tasks)
        if not paths:
            return
        for (name, task), path in zip(context.tasks.items(), paths, strict=True):
            if given.apart:
                self.of[name], self._far = context.far_policy(path, task, given.execution)
            else:
                self.of[name] = trained_policy(
                    path, task, given.execution, beside=not given.lockstep
                )
        instruct(self.of.values(), given.instruction)

    def wait(self, waiting: Waiting) -> None:
        """Until the other machine is found, where they are there."""
        if far := self._far:
            waiting.until(lambda: far.is_there, WHOM)

    def check(self) -> None:
        """Check that they can still be asked.

        Raises:
            EpisodeAborted: they are gone.
        """
        if self._far and not self._far.is_there:
            raise EpisodeAborted(f"{WHOM} is gone")


def instruct(policies: Iterable[Policy], words: str) -> None:
    """Give the instruction to those that follow one; an empty one changes nothing."""
    for policy in policies:
        if policy.instruction and words.strip():
            policy.instruction = words
