# SPDX-License-Identifier: Apache-2.0
"""How an episode went."""

from __future__ import annotations

from dataclasses import dataclass

from rldg_core.task import Task
from rldg_core.vocabulary import EpisodeStatus


@dataclass
class EpisodeResult:
    """How an episode went."""

    episode_id: str
    task: Task
    source: str
    seed: int
    status: EpisodeStatus = EpisodeStatus.OPEN
    steps: int = 0
    interventions: int = 0
    lead_in: int = 0
    """steps that a person led, up to the hand-over, in an episode of a policy"""
    seconds: float = 0.0
    reason: str = ""
    stopped: bool = False
    """the safety gate stopped the arm in it, in its last step at the latest"""
    instruction: str = ""
    """instruction that the policy was given; empty: the task's own"""
    reset_seconds: float = 0.0
    """[s] of robot time that the arm took to its start; 0: it was put there"""

    @property
    def autonomous_success(self) -> bool:
        """Success without a person's hand, but for what the task leaves to one."""
        return self.status is EpisodeStatus.SUCCESS and self.interventions == 0
