# SPDX-License-Identifier: Apache-2.0
"""The pace of learning; known to the actor too, which must not run ahead of the learner."""

from __future__ import annotations

from dataclasses import dataclass

from rldg_rl.agent_config import AgentConfig

DEMOS, SCRATCH = "demos", "scratch"
"""image encoders that learn from demonstrations alone, and with the critics; others have learned elsewhere"""
MEMORY, DISK = "memory", "disk"
"""where the images lie that such an encoder looks at again and again"""
FEWEST_DEMONSTRATIONS = 3
"""that an image encoder can learn from, if it does not learn with the critics"""


@dataclass(frozen=True)
class LearnerConfig:
    """Pace of learning (HIL-SERL's defaults; the agent has its own configuration)."""

    starts: int = 100
    """training steps before the first update"""
    capacity: int = 200_000
    """frames in the replay buffer"""
    publish_every: int = 50
    """updates between two sets of weights for the actor"""
    checkpoint_every: int = 1000
    """updates between two checkpoints"""
    prior_updates: int = 2000
    """updates from other runs' episodes, where there are any, before the first training step"""


def updates_due(policy_steps: int, config: LearnerConfig, agent: AgentConfig) -> int:
    """Updates that a number of training steps is worth; none before learning starts."""
    return policy_steps * agent.updates_per_step if policy_steps >= config.starts else 0
