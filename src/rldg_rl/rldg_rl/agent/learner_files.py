# SPDX-License-Identifier: Apache-2.0
"""What a learner leaves in its run's folder: checkpoints and learning curves."""

from __future__ import annotations

from rldg_core.files.event_file import EventFile
from rldg_core.user_error import UserError
from rldg_rl.agent.checkpoint import CheckpointError, save_learner, save_policy
from rldg_rl.agent.learner import Learner
from rldg_rl.run_folder import RunFolder


class LearnerFiles:
    """Of one learner."""

    def __init__(self, run: RunFolder, learner: Learner, task: str) -> None:
        """Begin the learning curves of this start.

        Args:
            run: whose folder it is.
            learner: whose weights and metrics are written.
            task: that it learns, family/variant.
        """
        self._run = run
        self._learner = learner
        self._task = task
        self._board = EventFile(run.tensorboard / "learner")

    def save(self) -> None:
        """The learner, and the policy alone.

        Raises:
            UserError: there is no room, or the folder cannot be written.
        """
        learner, task = self._learner, self._task
        steps = learner.buffer.steps_received
        try:
            save_learner(self._run.learner_checkpoint, learner.agent, task, steps)
            save_policy(self._run.policy_checkpoint, learner.agent.averaged, task, learner.updates)
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def log_metrics(self) -> None:
        """To TensorBoard."""
        for name, value in self._learner.metrics.items():
            self._board.add_scalar(f"learner/{name}", value, self._learner.updates)

    def close(self) -> None:
        """Finish TensorBoard's files."""
        self._board.close()
