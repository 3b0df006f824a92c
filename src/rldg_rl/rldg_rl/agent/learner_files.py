# SPDX-License-Identifier: Apache-2.0
"""What a learner leaves in its run's folder: checkpoints and learning curves."""

from __future__ import annotations

from rldg_core.files.event_file import EventFile
from rldg_core.space import Spaces
from rldg_core.user_error import UserError
from rldg_rl.agent.checkpoint import CheckpointError, save_learner, save_policy
from rldg_rl.agent.learner import Learner
from rldg_rl.run_folder import RunFolder


class LearnerFiles:
    """Of one learner."""

    def __init__(self, run: RunFolder, learner: Learner, task: str, spaces: Spaces) -> None:
        """Begin the learning curves of this start.

        Args:
            run: whose folder it is.
            learner: whose weights and metrics are written.
            task: that it learns, family/variant.
            spaces: of its actions and observations.
        """
        self._run = run
        self._learner = learner
        self._task = task
        self._spaces = spaces
        self._board = EventFile(run.tensorboard / "learner")

    def save(self) -> None:
        """The learner, and the policy alone.

        Raises:
            UserError: there is no room, or the folder cannot be written.
        """
        agent, task, spaces = self._learner.agent, self._task, self._spaces
        steps = self._learner.buffer.steps_received
        try:
            save_learner(self._run.learner_checkpoint, agent, task, steps, spaces)
            save_policy(self._run.policy_checkpoint, agent.averaged, task, agent.updates, spaces)
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def log_metrics(self) -> None:
        """To TensorBoard."""
        for name, value in self._learner.metrics.items():
            self._board.add_scalar(f"learner/{name}", value, self._learner.updates)

    def close(self) -> None:
        """Finish TensorBoard's files."""
        self._board.close()
