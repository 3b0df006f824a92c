# SPDX-License-Identifier: Apache-2.0
"""Small datasets of another body than an arm, without any image: a puck is pushed to the middle, and held there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from synthetic_data import write_dataset

from rldg_core.space import Space, Spaces
from rldg_distill.datasets.episode import Episode, EpisodeMetadata

PUCK = Spaces(
    Space.of("push_x [m]", "push_y [m]", "magnet [1 on, 0 off]", switches=1),
    Space.of("x [m]", "y [m]", "velocity_x [m/s]", "velocity_y [m/s]"),
)
SCALE = (0.1, 0.05)


def episode(number: int, steps: int, spaces: Spaces = PUCK) -> Episode:
    """A step pushes 9 tenths of the way; the magnet is on where both coordinates are positive."""
    random = np.random.default_rng([number, steps])
    state = random.uniform(-0.1, 0.1, (steps, 4)).astype(np.float32)
    action = np.zeros((steps, 3), np.float32)
    action[:, :2] = -0.9 * state[:, :2] * np.array(SCALE, np.float32) / 0.1
    action[:, 2] = (state[:, :2] > 0).all(1)
    mean = np.zeros((steps, 3), np.float32)
    mean[:, :2] = np.arctanh(action[:, :2] / np.array(SCALE, np.float32))
    ends = np.arange(steps) == steps - 1
    stamps = np.arange(steps) * 100_000_000
    return Episode(
        metadata=EpisodeMetadata(
            "puck", "flat", "policy", number, True, "puck", "table", "sim",
            f"run/{number:05d}", SCALE,
        ),
        images={},
        state=state,
        action=action,
        instruction=["push the puck to the middle"] * steps,
        reward=ends.astype(np.float32),
        discount=(~ends).astype(np.float32),
        is_first=np.arange(steps) == 0,
        is_last=ends,
        is_terminal=ends,
        executed_by=np.zeros(steps, np.int64),
        teacher_mean=mean,
        teacher_log_std=np.full((steps, 3), -2.0, np.float32),
        teacher_version=np.full(steps, 5),
        image_stamp=stamps,
        state_stamp=stamps,
        spaces=spaces,
    )  # fmt: skip


def pucks(folder: Path, spaces: Spaces = PUCK, count: int = 12) -> Path:
    """`folder` is data/<name>: `count` episodes of 20 steps, and 3 of `val`."""
    train = [episode(number, 20, spaces) for number in range(count)]
    val = [episode(count + number, 20, spaces) for number in range(3)]
    return write_dataset(folder, {"train": train, "val": val})
