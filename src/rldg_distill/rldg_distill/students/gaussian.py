# SPDX-License-Identifier: Apache-2.0
"""A student whose network gives a Gaussian before tanh for every motion of an action, and a logit for every switch."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from rldg_distill.students.batch import Inputs, StudentBatch
from rldg_distill.students.card import DataCard, StudentError
from rldg_distill.students.student import Student, StudentConfig
from rldg_distill.students.teacher import expected_action, gaussian_kl, masked_mean

LOG_STD = (-5.0, 1.0)
"""least and most"""


class GaussianStudent(Student):
    """Losses and actions of such a network; whoever inherits writes the network.

    Units of the motions: a full action of the teachers, the greatest where they differ. A policy acts on the mean; a
    switch is between 0 and 1.
    """

    losses = ("own", "teacher_kl", "teacher_expected")
    unit: Tensor

    def __init__(self, config: StudentConfig, data: DataCard) -> None:
        super().__init__(config, data)
        if not data.action_scales:
            raise StudentError("the data have no action scale, which this student predicts in")
        unit = torch.tensor(data.action_scales).amax(0)
        self.register_buffer("unit", unit, persistent=False)
        action = data.spaces.action
        self.parts = (action.motions, action.motions, action.switches)
        """numbers that the network gives of an action: means, logarithms of standard deviations, logits"""

    @abstractmethod
    def outputs(self, inputs: Inputs) -> Tensor:
        """(B, K * sum(parts)): what the network gives."""

    def loss(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """Squared error of the tanh of the mean, in full actions; or the divergence from the teacher.

        own: from the actions that were done. teacher_expected: from the teacher's mean action. teacher_kl: of the
        student's Gaussian from the teacher's where it is known, and the squared error elsewhere.

        Raises:
            StudentError: teacher_kl with teachers of different scales.
        """
        mean, log_std, logits = self._predicted(batch)
        motions = self.parts[0]
        action = (expected_action(batch) if kind == "teacher_expected" else batch.action)[:, -1]
        mask, known = batch.action_mask[:, -1], batch.teacher_mask[:, -1]
        error = (mean.tanh() - action[..., :motions] / self.unit).square()
        missed = (logits.sigmoid() - action[..., motions:]).square()
        parts = {"switches": masked_mean(missed, mask)} if logits.shape[-1] else {}
        if kind == "teacher_kl":
            if len(self.data.action_scales) > 1:
                raise StudentError(
                    "the teachers' actions have different scales, so their distributions do not compare: "
                    "--loss teacher_expected, or one student per scale"
                )
            mean_of, log_std_of = batch.teacher_mean[:, -1], batch.teacher_log_std[:, -1]
            kl = gaussian_kl(mean_of[..., :motions], log_std_of[..., :motions], mean, log_std)
            parts["kl"] = masked_mean(kl, known)
            mask = mask & ~known
        parts["motion"] = masked_mean(error, mask)
        return {"loss": torch.stack(list(parts.values())).sum()} | parts

    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, A): tanh of the mean."""
        mean, _, logits = self._predicted(inputs)
        motion = mean.float().tanh() * self.unit
        return torch.cat((motion, logits.float().sigmoid()), -1)

    def _predicted(self, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and logarithm of the standard deviation (B, K, M), and the switches' logits (B, K, A - M)."""
        outputs = self.outputs(inputs).unflatten(-1, (self.config.chunk, sum(self.parts)))
        mean, log_std, logits = outputs.split(self.parts, -1)
        return mean, log_std.clamp(*LOG_STD), logits
