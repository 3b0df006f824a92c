# SPDX-License-Identifier: Apache-2.0
"""A student of your own, trained by `distill`'s code: a linear policy from state to action.

    python examples/own_student.py data/<name> --steps 200

A student says which images it takes, how its loss is computed and which actions it predicts. `distill` brings options,
batches, validation, checkpoints, resume and `summary.json`; all of its options may follow the data.
To have a student in every command of the project, make it a folder `rldg_distill/students/<name>` whose `student.py`
ends with `STUDENT = <its class>`; then it needs no `register`.
"""

from __future__ import annotations

import sys

from torch import Tensor, nn

from rldg_distill import distill
from rldg_distill.students.batch import Inputs, StudentBatch
from rldg_distill.students.card import DataCard
from rldg_distill.students.registry import register
from rldg_distill.students.student import Student, StudentConfig
from rldg_distill.students.teacher import masked_mean


class LinearStudent(Student):
    """Predicts the next K actions as a linear map of the present state; it looks through no camera."""

    name = "linear"
    sizes = ("tiny",)

    def __init__(self, config: StudentConfig, data: DataCard) -> None:
        super().__init__(config, data)
        self.layer = nn.Linear(len(data.spaces.state), config.chunk * len(data.spaces.action))

    @classmethod
    def configure(cls, size: str) -> StudentConfig:
        """A field added to a subclass of `StudentConfig` becomes an option of the command."""
        return StudentConfig(size=size)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """No camera."""
        return {}

    def loss(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """Squared error of the normalised actions; past an episode's end they are masked."""
        error = self._normalised(batch) - self.normalize_action(batch.action[:, -1])
        return {"loss": masked_mean(error.square(), batch.action_mask[:, -1])}

    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, A) in dataset units; of an arm m, rad, gripper 1 open and 0 closed."""
        return self.normalize_action.undo(self._normalised(inputs))

    def _normalised(self, inputs: Inputs) -> Tensor:
        state = self.normalize_state(inputs.state[:, -1])  # the last step of the window
        return self.layer(state).unflatten(-1, (self.config.chunk, len(self.data.spaces.action)))


def main(arguments: list[str]) -> int:
    """Exit code of `distill`."""
    register(LinearStudent)
    return distill.main([*arguments, "--student", LinearStudent.name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
