# SPDX-License-Identifier: Apache-2.0
"""Training: demonstrations, then the learner's policy with a person's help, then an evaluation of what was learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.contract import Topic
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_rl.acting.actor import Policy
from rldg_rl.acting.demonstrator import Demonstrator
from rldg_rl.acting.learner_watch import LearnerWatch
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import RunPlan, RunProgress
from rldg_rl.agent.checkpoint import CheckpointError
from rldg_rl.agent_config import agent_config
from rldg_rl.learner_config import SCRATCH, LearnerConfig, updates_due
from rldg_rl.modes.context import Context
from rldg_rl.modes.plan_check import check_resets, check_training
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.learned_policies import LearnedPolicies
from rldg_rl.policies.trained_policy import trained_policy

MAX_LAG = 30  # steps that the actor may be ahead of the learner in lockstep
LAG_SECONDS = 0.005
SETTLE_SECONDS = 1.0


class Train:
    """Implements `mode.Mode`."""

    helped = True
    deterministic = False
    fixed = ("observation", "encoder")

    def __init__(self, context: Context) -> None:
        given = context.parameters
        (self._task,) = context.tasks.values()
        self._context = context
        self.sees = given.observation == "image"
        learns_to_see = self.sees and given.encoder == SCRATCH
        self._agent = agent_config(self._task, learns_to_see=learns_to_see)
        self._demonstrator: Demonstrator | None = None
        self._learner = LearnerWatch()
        self.learned = LearnedPolicies(self._task, self.sees, context.log, context.publishers)
        """the learner's newest weights, and their average"""
        self.policies: dict[str, Policy] = {self._task.id: self.learned.newest}
        self.topics: dict[Topic, Callable[[Any], None]] = {
            contract.LEARNER_STATUS: self._learner.hear,
            contract.POLICY_WEIGHTS: self.learned.hear_weights,
            contract.ENCODER_WEIGHTS: self.learned.hear_encoder,
        }
        self.plan = RunPlan(
            tasks=tuple(context.tasks),
            demos=given.demos,
            steps=given.steps or self._task.learning.steps,
            least_steps=self._task.learning.least_steps,
            evaluations=given.episodes,
            endless=given.episodes == 0,
        )

    def check(self) -> None:
        """See `mode.Mode`."""
        given, run = self._context.parameters, self._context.run
        check_training(given, self._task, len(run.succeeded(Source.DEMONSTRATION)))
        check_resets(given, self._context.tasks)

    def config(self) -> dict[str, Any]:
        """See `mode.Mode`."""
        given = self._context.parameters
        return {
            "observation": given.observation or None,
            "encoder": (given.encoder or None) if self.sees else None,
            "learner": vars(LearnerConfig()),
            "agent": vars(self._agent),
        }

    def load(self) -> None:
        """Who demonstrates, where no person does."""
        given = self._context.parameters
        if given.policy:
            path, beside = Path(given.policy), not given.lockstep
            student = trained_policy(path, self._task, Execution(), beside=beside)
            self._demonstrator = Demonstrator(student)

    def count(self, episodes: list[EpisodeSummary], earlier: frozenset[str]) -> RunProgress:
        """See `mode.Mode`."""
        return RunProgress(self.plan, episodes)

    def leader(self, source: str, task: str) -> Policy | None:
        """See `mode.Mode`."""
        if source == Source.DEMONSTRATION:
            return self._demonstrator
        return self.learned.average if source == Source.EVALUATION else self.learned.newest

    def before_episode(self, source: str, state: RunState) -> None:
        """Weights to act with; before an evaluation those of all updates."""
        if source == Source.DEMONSTRATION:
            return
        if source == Source.EVALUATION and state.source == Source.POLICY:
            self._context.waiting.spin(SETTLE_SECONDS)  # for the last transition to arrive there
        final = source == Source.EVALUATION

        def there() -> bool:
            return self._has_caught_up(state) if final else self.learned.newest.ready

        self._context.waiting.until(there, "the learner", lambda: self._learner.note)

    def _has_caught_up(self, state: RunState) -> bool:
        """Whether the learner has done all updates, and what came of them is here."""
        learner = self._learner
        done = learner.is_ready and learner.updates >= self._owed(state)
        return done and self.learned.average.version >= learner.updates

    def before_step(self, state: RunState) -> None:
        """The learner is not left behind, where the world can wait for it."""
        lockstep = self._context.parameters.lockstep
        if not lockstep or state.source != Source.POLICY or not self._is_ahead(state):
            return
        self._context.announce()
        while self._context.waiting.goes_on() and self._is_ahead(state):
            self._context.waiting.spin(LAG_SECONDS)

    def _is_ahead(self, state: RunState) -> bool:
        lag = self._owed(state) - self._learner.updates
        return lag > MAX_LAG * self._agent.updates_per_step

    def _owed(self, state: RunState) -> int:
        """Updates that the learner owes for the training steps so far."""
        return updates_due(state.policy_steps, LearnerConfig(), self._agent)

    def teaches(self, source: str) -> bool:
        """See `mode.Mode`."""
        return source != Source.EVALUATION

    def finish(self) -> None:
        """Write down what was judged, where the learner writes its own on another machine.

        Raises:
            UserError: it cannot be written.
        """
        waiting = self._context.waiting
        waiting.until(lambda: self._learner.is_ready, "the learner")
        if not (self._context.parameters.apart and self.learned.average.ready):
            return
        try:
            self.learned.average.save(self._context.run.policy_checkpoint)
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def report(self, state: RunState, wall_seconds: float) -> None:
        """See `mode.Mode`."""
        # No start waits for what only an end needs.
        from rldg_rl.report import report_run  # noqa: PLC0415

        assert isinstance(state.progress, RunProgress)
        given = self._context.parameters
        report_run(
            self._context.run,
            state.progress,
            given.seed,
            self._learner.updates,
            wall_seconds,
            str(given.perturbation),
            str(given.jury),
            video=given.video,
        )
