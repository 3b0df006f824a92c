# SPDX-License-Identifier: Apache-2.0
"""What a learner begins with: a checkpoint, an encoder that has learned to see, other runs' episodes, and all that was
recorded so far. So it can be killed at any moment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch

from rldg_core.files.atomic_file import write_atomically
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_rl.agent.bag_steps import BagSteps
from rldg_rl.agent.checkpoint import CheckpointError, load_learner
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.robot.specialist_spaces import specialist_spaces
from rldg_rl.run_folder import RunFolder
from rldg_rl.vision.encoder_training import UPDATES, train_encoder
from rldg_rl.vision.image_encoder import Encoder, ImageEncoder, is_blind


class Surroundings(Protocol):
    """What a learner knows of the rest of the stack while it begins."""

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until a condition holds, or the stack is stopped."""

    def fetch(self) -> object:
        """Bring the closed bags here that only another machine has so far."""

    def demonstrations_wanted(self) -> int:
        """How many the actor says that it wants, once it says that it has them all; 0 before."""

    def tell(self, note: str) -> None:
        """Say what the learner is doing; empty: nothing special."""


@dataclass(frozen=True)
class Beginning:
    """The order in which a learner gets to know what there is."""

    recorded: BagSteps
    encoder: Encoder | None
    run: RunFolder
    seed: int
    init: str = ""
    """another run's checkpoint; empty: none"""
    prior: Sequence[RunFolder] = ()
    """other runs, whose episodes are learned from"""
    demos_first: bool = False
    """whether it learns from demonstrations before the first training step"""

    def begin(self, around: Surroundings) -> None:
        """Load, wait for what is missing, and take in everything.

        Raises:
            UserError: a checkpoint or another run does not fit, or nothing can be seen in the demonstrations.
        """
        around.fetch()
        self.load_weights()
        if isinstance(self.encoder, ImageEncoder) and is_blind(self.encoder):
            self._await_demonstrations(around)
            self._learn_to_see(self.encoder, around)
        self.recorded.take_in_prior(self.prior)
        if self.demos_first:
            self._await_demonstrations(around)
        self._take_in_own(around)
        if (self.prior or self.demos_first) and not self.run.learner_checkpoint.is_file():
            self._learn_from_prior(around)

    def load_weights(self) -> None:
        """The run's own checkpoint, or the one to begin with.

        Raises:
            UserError: it cannot be read, or does not fit.
        """
        learner, task = self.recorded.learner, self.recorded.task
        spaces = specialist_spaces(task, self.encoder.output_dim if self.encoder else 0)
        try:
            if self.run.learner_checkpoint.is_file():
                load_learner(self.run.learner_checkpoint, learner.agent, task.id, spaces)
            elif self.init:
                info = load_learner(Path(self.init), learner.agent, None, spaces)
                learner.agent.updates = 0
                self.recorded.log.info(f"begins with what was learned of {info.task}: {self.init}")
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def _take_in_own(self, around: Surroundings) -> None:
        around.fetch()
        self.recorded.take_in_own(self.run.own_bags())
        learner = self.recorded.learner
        if steps := learner.buffer.steps_received:
            self.recorded.log.info(
                f"begins with {learner.updates} updates and {steps} steps from the bags"
            )

    def _await_demonstrations(self, around: Surroundings) -> None:
        """Until all are there, and on disk here."""

        def recorded() -> bool:
            wanted = around.demonstrations_wanted()
            if wanted:
                around.fetch()
            return wanted > 0 and len(self.run.succeeded(Source.DEMONSTRATION)) >= wanted

        around.wait_for(recorded)

    def _learn_to_see(self, encoder: ImageEncoder, around: Surroundings) -> None:
        def on_update(update: int) -> None:
            around.tell(f"learning to see, {_tenths(update, UPDATES)} %")

        task = self.recorded.task
        demonstrations = [
            [step for step in recorded_steps(bag, task, looks=True) if step.handed_over]
            for bag in self.run.succeeded(Source.DEMONSTRATION)
        ]
        threads = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count() or 1)  # the robot stands still
        try:
            fit = train_encoder(encoder, task, demonstrations, self.seed, on_update)
        except ValueError as error:
            raise UserError(str(error)) from error
        torch.set_num_threads(threads)
        around.tell("")
        write_atomically(self.run.encoder_fit, json.dumps(asdict(fit), indent=2) + "\n")
        self.recorded.log.info(f"learned to see: {fit}")

    def _learn_from_prior(self, around: Surroundings) -> None:
        learner = self.recorded.learner

        def on_update(update: int) -> None:
            done = _tenths(update, learner.config.prior_updates)
            around.tell(f"learning from what others did, {done} %")

        learner.learn_from_prior(on_update)
        around.tell("")


def _tenths(done: int, wanted: int) -> int:
    """Per cent, in steps of ten."""
    return 10 * (10 * done // wanted)
