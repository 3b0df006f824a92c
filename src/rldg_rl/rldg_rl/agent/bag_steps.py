# SPDX-License-Identifier: Apache-2.0
"""What a learner takes out of bags: those of its own run, and those of other runs to begin with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rldg_core.task import Task, load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.agent.learner import Learner, learned_part
from rldg_rl.episodes.bag import source_of, stored_steps
from rldg_rl.episodes.step import StoredStep
from rldg_rl.log import Log
from rldg_rl.run_folder import RunFolder


@dataclass
class BagSteps:
    """Puts the steps of bags into a learner's buffer; one that is there already counts for nothing."""

    learner: Learner
    task: Task
    looks: bool
    """whether their images are needed"""
    log: Log

    def take_in_own(self, bags: Iterable[Path]) -> None:
        """Episodes of this run, but for its evaluation."""
        for bag in sorted(bags):
            for step in self._steps(bag):
                self.learner.take_in(step)

    def take_in_prior(self, runs: Iterable[RunFolder]) -> None:
        """Other runs' episodes, as what others did: they are drawn like demonstrations, whoever acted in them.

        Their folders may be called anything: names of episodes here neither begin with it nor tell them apart by it.

        Raises:
            UserError: one of them has nothing to learn this task from.
        """
        for number, run in enumerate(runs):
            self._take_in_all(run, f"prior{number}")

    def _take_in_all(self, run: RunFolder, prefix: str) -> None:
        before = self.learner.buffer.steps_received
        for episode in run.episodes():
            if episode.source == Source.EVALUATION or episode.status == EpisodeStatus.ABORTED:
                continue
            if episode.source == Source.RELABELLED:
                raise UserError(
                    f"the actions in {run.path} are relabelled: its states followed from others, so that nothing can "
                    "be learned from them here; give prior:= the run that it was made of"
                )
            if load_task(episode.task).family != self.task.family:
                raise UserError(
                    f"{run.path.name} did {episode.task}: a specialist for {self.task.id} learns from "
                    f"runs of {self.task.family} alone"
                )
            for step in self._steps(run.bags / episode.episode_id):
                # Not an episode of this run, and none of its training steps.
                name = f"{prefix}/{step.episode_id}"
                self.learner.take_in(
                    replace(step, episode_id=name, executed_by=ExecutedBy.DEMONSTRATION, source="")
                )
        steps = self.learner.buffer.steps_received - before
        if not steps:
            raise UserError(
                f"{run.path} has no episode to learn from: prior:= takes runs with bags"
            )
        self.log.info(f"{steps} steps of {run.path.name} to begin with")

    def _steps(self, bag: Path) -> Iterator[StoredStep]:
        """Those of a bag, as far as it can be read; nothing is learned from an evaluation."""
        try:
            if source_of(bag) == Source.EVALUATION:
                return
            for step in stored_steps(bag, self.task, looks=self.looks):
                yield learned_part(step, self.task)
        except (OSError, ValueError) as error:
            self.log.warning(f"nothing more is learned from {bag}: {error}")
