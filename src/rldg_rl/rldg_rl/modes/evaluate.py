# SPDX-License-Identifier: Apache-2.0
"""Evaluation: a trained policy alone, from the same starts whoever it is."""

from __future__ import annotations

from pathlib import Path

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_rl.acting.actor import Policy
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import RunPlan, RunProgress
from rldg_rl.modes.context import Context
from rldg_rl.modes.nothing_learned import NothingLearned
from rldg_rl.run_folder import RunFolder


class Evaluate(NothingLearned):
    """Implements `mode.Mode`."""

    fixed = ("seed", "policy", "perturb", "randomize", "reward")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        given = context.parameters
        self.plan = RunPlan(
            tasks=tuple(context.tasks),
            demos=0,
            steps=0,
            evaluations=given.episodes,
            endless=given.episodes == 0,
        )

    def count(self, episodes: list[EpisodeSummary], earlier: frozenset[str]) -> RunProgress:
        """See `mode.Mode`."""
        return RunProgress(self.plan, episodes)

    def leader(self, source: str, task: str) -> Policy | None:
        """See `mode.Mode`."""
        return self.policies[task]

    def report(self, state: RunState, wall_seconds: float) -> None:
        """See `mode.Mode`; a student's own run gets a note of it."""
        # No start waits for what only an end needs.
        from rldg_rl.report import note_evaluation, report_run  # noqa: PLC0415

        assert isinstance(state.progress, RunProgress)
        given, run = self._context.parameters, self._context.run
        report_run(
            run,
            state.progress,
            given.seed,
            self.policies[state.progress.task].version,
            wall_seconds,
            str(given.perturbation),
            str(given.jury),
            video=given.video,
        )
        if given.student_run:
            note_evaluation(RunFolder(Path(given.student_run)), run)
