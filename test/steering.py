# SPDX-License-Identifier: Apache-2.0
"""A trained run without training: a linear policy that steers by the offset of the socket, and mostly gets there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from rldg_rl.checkpoint import save_policy
from rldg_rl.observation import STATE_DIM
from rldg_rl.policy import Policy

OFFSET, MAGNIFIED, TURN = 19, 22, 25
"""where the state vector has them"""


def steering_policy() -> Policy:
    """Sideways faster than down, so that the plug is over the socket when it arrives."""
    weight = np.zeros((STATE_DIM, 12), np.float32)
    for axis, gain in enumerate((3.0, 3.0, 0.4)):
        weight[OFFSET + axis, axis] = gain
        weight[TURN + axis, 3 + axis] = 1.0
    weight[MAGNIFIED, 0] = weight[MAGNIFIED + 1, 1] = 0.3
    bias = np.zeros(12, np.float32)
    bias[6:] = -2.0  # log standard deviation
    return Policy({"head.weight": weight, "head.bias": bias})


def trained_run(path: Path, task: str) -> Path:
    """A run's folder as far as others need it."""
    checkpoint = path / "checkpoints" / "policy.safetensors"
    checkpoint.parent.mkdir(parents=True)
    save_policy(checkpoint, steering_policy(), task, updates=7)
    arguments = {"stack": "train_rl", "arguments": {"task": task}}
    (path / "arguments.yaml").write_text(yaml.safe_dump(arguments))
    return path
