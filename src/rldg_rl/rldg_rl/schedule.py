# SPDX-License-Identifier: Apache-2.0
"""What a run does next: demonstrations, training, evaluation.

It is told from the run's episodes alone, so that a run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rldg_rl.actor import DEMONSTRATION, EVALUATION, POLICY
from rldg_robot.bag_reader import EpisodeSummary

WINDOW = 20
"""episodes that a success rate is told over"""
_STREAM = {DEMONSTRATION: 1, POLICY: 2, EVALUATION: 3}


@dataclass(frozen=True)
class Plan:
    """How much of everything a run wants."""

    demos: int = 20
    """successful demonstrations"""
    steps: int = 8000
    """most training steps"""
    evaluations: int = 20
    """evaluation episodes"""
    mastered: int = 40
    """training stops early once this many episodes in a row succeeded without a person's hand"""


class Progress:
    """Counts of a run's episodes."""

    def __init__(self, plan: Plan, episodes: Sequence[EpisodeSummary] = ()) -> None:
        self.plan = plan
        self.episodes: dict[str, list[EpisodeSummary]] = {
            DEMONSTRATION: [],
            POLICY: [],
            EVALUATION: [],
        }
        for episode in episodes:
            self.add(episode)

    def add(self, episode: EpisodeSummary) -> None:
        """An episode was closed."""
        self.episodes[episode.source].append(episode)

    def finished(self, source: str) -> list[EpisodeSummary]:
        """Episodes that ended by themselves."""
        return [e for e in self.episodes[source] if e.status != "aborted"]

    @property
    def demos(self) -> int:
        """Successful demonstrations."""
        return sum(e.status == "success" for e in self.episodes[DEMONSTRATION])

    @property
    def steps(self) -> int:
        """Training steps, those of aborted episodes included: the learner has them."""
        return sum(e.steps for e in self.episodes[POLICY])

    @property
    def interventions(self) -> int:
        """Training steps that a person acted in."""
        return sum(e.interventions for e in self.episodes[POLICY])

    @property
    def mastered(self) -> bool:
        """Whether the last training episodes all succeeded without help."""
        last = self.finished(POLICY)[-self.plan.mastered :]
        return len(last) == self.plan.mastered and all(map(autonomous_success, last))

    @property
    def phase(self) -> str | None:
        """Source of the next episode, or None when the run is done."""
        if self.demos < self.plan.demos and not self.episodes[POLICY]:
            return DEMONSTRATION
        if self.steps < self.plan.steps and not self.mastered and not self.episodes[EVALUATION]:
            return POLICY
        if len(self.finished(EVALUATION)) < self.plan.evaluations:
            return EVALUATION
        return None

    def success_rate(self, source: str) -> float:
        """Over the last WINDOW episodes; a person's help does not count."""
        last = self.finished(source)[-WINDOW:]
        return sum(map(autonomous_success, last)) / len(last) if last else 0.0

    def cycle_seconds(self, source: str) -> float:
        """Mean duration of the successes among the last WINDOW episodes [s of ROS time]; 0 if there are none."""
        seconds = [e.seconds for e in self.finished(source)[-WINDOW:] if e.status == "success"]
        return float(np.mean(seconds)) if seconds else 0.0


def autonomous_success(episode: EpisodeSummary) -> bool:
    """Success without a person's hand, or by a person alone."""
    return episode.status == "success" and episode.interventions == 0


def episode_seed(run_seed: int, source: str, number: int) -> int:
    """Seed of an episode's reset; evaluations of different policies under the same run seed start alike."""
    sequence = np.random.SeedSequence([run_seed, _STREAM[source], number])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
