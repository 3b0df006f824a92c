# SPDX-License-Identifier: Apache-2.0
"""How a learner fares, as it tells the actor and whoever watches."""

from __future__ import annotations

from rldg_msgs.msg import LearnerStatus
from rldg_rl.agent.learner import Learner
from rldg_rl.run_folder import RunFolder

METRICS = ("critic_loss", "actor_loss", "entropy", "temperature")


def learner_status(run: RunFolder, learner: Learner, ready: bool, note: str) -> LearnerStatus:
    """The message, without a stamp.

    Args:
        run: that it learns in.
        learner: that is told of.
        ready: whether it has begun.
        note: what it is doing, for people; empty: nothing special.
    """
    return LearnerStatus(
        run=run.name,
        updates=learner.updates,
        transitions=learner.buffer.steps_received,
        online_size=learner.buffer.online_size,
        demo_size=learner.buffer.demo_size,
        updates_per_second=learner.updates_per_second(),
        ready=ready,
        note=note,
        **{name: float(learner.metrics.get(name, 0.0)) for name in METRICS},
    )
