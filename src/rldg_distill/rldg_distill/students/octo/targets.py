# SPDX-License-Identifier: Apache-2.0
"""The teacher's distribution as something to imitate by samples."""

from __future__ import annotations

import torch
from torch import Tensor

from rldg_distill.students.batch import StudentBatch


def sampled_action(batch: StudentBatch) -> Tensor:
    """(B, W, K, A) in dataset units: sampled from the teacher's distribution where it is known, else what was done.

    Switches are always those that were done. Samples from torch's default generator of the device.
    """
    motions = batch.action_scale.shape[-1]
    mean, log_std = batch.teacher_mean[..., :motions], batch.teacher_log_std[..., :motions]
    motion = torch.tanh(mean + log_std.exp() * torch.randn_like(mean))
    motion = motion * batch.action_scale[:, None, None, :]
    motion = torch.where(batch.teacher_mask[..., None], motion, batch.action[..., :motions])
    return torch.cat((motion, batch.action[..., motions:]), -1)
