# SPDX-License-Identifier: Apache-2.0
"""A trained run without training: a linear policy that steers by the offset of the socket, and mostly gets there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from rldg_core.task import Task, load_task
from rldg_rl.agent.checkpoint import save_policy
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.robot.observation import LIMIT, NEAR, state_dim

WIDTH, OFFSET, MAGNIFIED, TURN = 18, 19, 22, 25
"""where the state vector has them"""


def steering_policy(task: Task) -> GaussianPolicy:
    """Sideways faster than down, so that the plug is over the socket when it arrives."""
    weight = np.zeros((state_dim(task), 12), np.float32)
    for axis, gain in enumerate((60.0, 60.0, 8.0)):  # per metre
        weight[OFFSET + axis, axis] = gain * max(task.box.reach, NEAR) / LIMIT
        weight[TURN + axis, 3 + axis] = 1.0
    weight[MAGNIFIED, 0] = weight[MAGNIFIED + 1, 1] = 0.3
    bias = np.zeros(12, np.float32)
    bias[6:] = -2.0  # log standard deviation
    return GaussianPolicy({"head.weight": weight, "head.bias": bias})


def fumbling_policy(task: Task) -> GaussianPolicy:
    """The same with fingers that near a goal close where they are open, and open where they are not."""
    weight = np.zeros((state_dim(task), 3), np.float32)
    bias = np.array([-0.5, 0.0, 2.5], np.float32)
    near = 20.0 * max(task.box.reach, NEAR) / LIMIT
    weight[OFFSET + 2] = -near, 0.0, -near
    weight[WIDTH] = 1.0, 0.0, -4.0
    fingers = {"gripper.head.weight": weight, "gripper.head.bias": bias}
    return GaussianPolicy(steering_policy(task).tensors | fingers)


def trained_run(path: Path, task: str, policy: GaussianPolicy | None = None) -> Path:
    """A run's folder as far as others need it; without a policy, the steering one's."""
    checkpoint = path / "checkpoints" / "policy.safetensors"
    checkpoint.parent.mkdir(parents=True)
    save_policy(checkpoint, policy or steering_policy(load_task(task)), task, updates=7)
    arguments = {"stack": "train_rl", "arguments": {"task": task}}
    (path / "arguments.yaml").write_text(yaml.safe_dump(arguments))
    return path
