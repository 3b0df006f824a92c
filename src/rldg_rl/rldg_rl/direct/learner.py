# SPDX-License-Identifier: Apache-2.0
"""The learner in the actor's process: after every step it does all updates that are due.

So nobody runs ahead: the policy acts with weights that have learned from every step before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rldg_core import contract
from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import RunProgress
from rldg_rl.agent.bag_steps import BagSteps
from rldg_rl.agent.beginning import Beginning
from rldg_rl.agent.learner import Arrivals
from rldg_rl.agent.learner_files import LearnerFiles
from rldg_rl.agent.learner_setup import LearnerSetup
from rldg_rl.agent.learner_status import learner_status
from rldg_rl.agent.learning_loop import LearningLoop
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.log import Log
from rldg_rl.policies.learned_policies import LearnedPolicies
from rldg_rl.robot.specialist_spaces import specialist_spaces
from rldg_rl.run_folder import RunFolder


class DirectLearner:
    """Begins when it is first waited for: demonstrations until then are on disk. See `Outlet` and `Surroundings`."""

    def __init__(
        self,
        setup: LearnerSetup,
        learned: LearnedPolicies,
        state: RunState,
        channel: LocalChannel,
        log: Log,
        *,
        init: str = "",
        prior: tuple[RunFolder, ...] = (),
        demos_first: bool = False,
    ) -> None:
        """Make the learner.

        Args:
            setup: what it is made of.
            learned: the policies that act with what it learns.
            state: of the run.
            channel: that the steps come on.
            log: for people.
            init: see `Beginning`; likewise the others.
            prior: other runs.
            demos_first: whether it learns from demonstrations first.

        Raises:
            UserError: see `LearnerSetup.make`.
        """
        task: Task = setup.task
        self._learner, self._encoder = learner, encoder = setup.make()
        self._run, self._learned, self._state, self._channel = setup.run, learned, state, channel
        self._recorded = BagSteps(learner, task, encoder is not None, log)
        self._beginning = Beginning(
            self._recorded, encoder, setup.run, setup.seed, init, prior, demos_first
        )
        self._arrivals = Arrivals(learner, encoder, task, log, _refuse)
        self._loop = LearningLoop(learner, self._arrivals, self)
        spaces = specialist_spaces(task, encoder.output_dim if encoder else 0)
        self._files = LearnerFiles(setup.run, learner, task.id, spaces)
        self._note = ""
        channel.listen(contract.TRANSITION, self._hear)

    def work(self) -> None:
        """Begin, if that is due; then do all updates that are due, and save what came of them."""
        if not self._arrivals.begun:
            self._beginning.begin(self)
            self._arrivals.begin()
            self._loop.publish()
        self._catch_up()
        self._loop.save_if_new()

    def close(self) -> None:
        """Leave a checkpoint."""
        if self._arrivals.begun:
            self._loop.save_if_new()
        self._files.close()

    def _hear(self, message: Any) -> None:
        if not self._arrivals.begun:
            return  # it will be in the bags
        self._arrivals.hear(message)
        self._catch_up()

    def _catch_up(self) -> None:
        while self._learner.owed > 0:
            self._loop.round(self._learner.policy_steps)
        self._loop.round(self._learner.policy_steps)

    # What surrounds a beginning (see beginning.Surroundings)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Nobody else does anything meanwhile.

        Raises:
            UserError: the condition does not hold.
        """
        if not condition():
            raise UserError(
                f"there are too few successful demonstrations to begin with in {self._run.bags}"
            )

    def fetch(self) -> None:
        """Nothing is on another machine."""

    def demonstrations_wanted(self) -> int:
        """See `beginning.Surroundings`."""
        progress = self._state.progress
        assert isinstance(progress, RunProgress)
        done = progress.source != Source.DEMONSTRATION
        return min(progress.plan.demos, progress.demos) if done else 0

    def tell(self, note: str) -> None:
        """See `beginning.Surroundings`."""
        self._note = note
        self._tell_status()

    # Where goes what is learned (see learning_loop.Outlet)

    def handle_message(self, seconds: float) -> None:
        """Nothing waits to be handled."""

    def take_in_missing(self) -> None:
        """No step gets lost."""

    def publish_weights(self) -> None:
        """To the policies that act, in place."""
        agent = self._learner.agent
        self._learned.follow(agent.policy, agent.averaged, agent.updates)
        self._tell_status()

    def save(self) -> None:
        """See `LearnerFiles`."""
        self._files.save()

    def log_metrics(self) -> None:
        """See `LearnerFiles`."""
        self._files.log_metrics()

    def _tell_status(self) -> None:
        message = learner_status(self._run, self._learner, self._arrivals.begun, self._note)
        self._channel.publish(contract.LEARNER_STATUS, message)


def _refuse(fault: str) -> None:
    raise UserError(fault)
