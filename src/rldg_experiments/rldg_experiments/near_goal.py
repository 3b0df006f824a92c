# SPDX-License-Identifier: Apache-2.0
"""The actions near the goal, where insertions are decided, out of a run's bags."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rldg_core.bags.bag_reader import bags_in, is_complete, messages_of, nearest, read_summary
from rldg_core.contract import STEP, TASK_STATE
from rldg_core.message_values import nanoseconds, vector_of
from rldg_core.vocabulary import EpisodeStatus

SIDEWAYS, ALONG = 0.004, 0.010
"""[m] from the goal, in the TCP frame: what is near, as in the paper's figure 8"""


def actions_near_goal(run: Path) -> np.ndarray:
    """(N, 3) translations in [-1, 1] of the successful episodes, mirrored so that the goal always lies at +x, +y.

    The paper shows one pose, from which one corner is the right one; mirrored, it is the same corner from everywhere.
    """
    bags = [bag for bag in bags_in(run) if is_complete(bag)]
    won = [bag for bag in bags if read_summary(bag).status == EpisodeStatus.SUCCESS]
    return np.concatenate([np.zeros((0, 3)), *(_of_episode(bag) for bag in won)])


def _of_episode(bag: Path) -> np.ndarray:
    task_states = messages_of(bag, TASK_STATE)
    offsets = {nanoseconds(m.header.stamp): vector_of(m.offset.position) for m in task_states}
    steps = messages_of(bag, STEP)
    actions = np.array([step.action[:3] for step in steps], float).reshape(-1, 3)
    goals = np.array([nearest(offsets, nanoseconds(step.state_stamp)) for step in steps]).reshape(
        -1, 3
    )
    near = (np.abs(goals[:, :2]) < SIDEWAYS).all(1) & (np.abs(goals[:, 2]) < ALONG)
    actions[:, :2] *= np.where(goals[:, :2] < 0, -1.0, 1.0)
    return actions[near]
