# SPDX-License-Identifier: Apache-2.0
"""The teacher's distribution as something to imitate by samples."""

from __future__ import annotations

import torch
from torch import Tensor

from rldg_distill.students.batch import StudentBatch


def sampled_action(batch: StudentBatch) -> Tensor:
    """(B, W, K, 7) in dataset units: sampled from the teacher's distribution where it is known, else what was done.

    The gripper is always the one that was done. Samples from torch's default generator of the device.
    """
    mean, log_std = batch.teacher_mean[..., :6], batch.teacher_log_std[..., :6]
    motion = torch.tanh(mean + log_std.exp() * torch.randn_like(mean))
    motion = motion * batch.action_scale[:, None, None, :]
    motion = torch.where(batch.teacher_mask[..., None], motion, batch.action[..., :6])
    return torch.cat((motion, batch.action[..., 6:]), -1)
