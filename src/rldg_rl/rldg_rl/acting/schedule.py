# SPDX-License-Identifier: Apache-2.0
"""What a training or an evaluation does next.

It follows from the run's episodes alone, so that a run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import EpisodeStatus, Source

WINDOW = 20
"""episodes that a success rate is computed over"""
TYPICAL_STEPS: dict[str, float] = {
    Source.DEMONSTRATION: 55.0,
    Source.POLICY: 20.0,
    Source.EVALUATION: 20.0,
}
"""steps of an episode before any was seen"""
BY_HAND_PARTS = 10
MAX_FAILED_DEMOS = 3
"""times the wanted number"""
DONE = "done"
PHASES: dict[str, str] = {
    Source.DEMONSTRATION: "demonstrations",
    Source.POLICY: "training",
    Source.EVALUATION: "evaluation",
}
_STREAM: dict[str, int] = {Source.DEMONSTRATION: 1, Source.POLICY: 2, Source.EVALUATION: 3}


class Logbook:
    """A run's episodes, and what they say."""

    def __init__(self, episodes: Sequence[EpisodeSummary] = ()) -> None:
        self.episodes: dict[str, list[EpisodeSummary]] = {
            Source.DEMONSTRATION: [],
            Source.POLICY: [],
            Source.EVALUATION: [],
        }
        for episode in episodes:
            self.add(episode)

    def add(self, episode: EpisodeSummary) -> None:
        """An episode was closed."""
        self.episodes[episode.source].append(episode)

    def finished(self, source: str) -> list[EpisodeSummary]:
        """Episodes that ended by themselves."""
        return [e for e in self.episodes[source] if e.status != EpisodeStatus.ABORTED]

    @property
    def steps(self) -> int:
        """Steps of a policy in training or collection, those of aborted episodes included: the learner has them.

        Those that a person led, up to the task's hand-over, are none of them.
        """
        return sum(e.own_steps for e in self.episodes[Source.POLICY])

    @property
    def seconds(self) -> float:
        """Duration of all episodes [s of ROS time]."""
        return sum(e.seconds for episodes in self.episodes.values() for e in episodes)

    def trial(self, source: str, number: int) -> int:
        """The number that an episode's start is drawn from.

        Args:
            source: of the episode.
            number: of the episode itself, among all of its source.
        """
        return number

    def success_rate(self, source: str) -> float:
        """Over the last WINDOW episodes; a person's help does not count."""
        last = self.finished(source)[-WINDOW:]
        return sum(map(autonomous_success, last)) / len(last) if last else 0.0

    def cycle_seconds(self, source: str) -> float:
        """Mean duration of the successes among the last WINDOW episodes [s of ROS time]; 0 if there are none."""
        return mean_seconds(self.finished(source)[-WINDOW:]) or 0.0

    def mean_steps(self, source: str) -> float:
        """Steps of an episode."""
        episodes = self.finished(source)
        if not episodes:
            return TYPICAL_STEPS[source]
        return sum(e.steps for e in episodes) / len(episodes)


@dataclass(frozen=True)
class RunPlan:
    """How much of everything a training or an evaluation wants."""

    tasks: tuple[str, ...]
    """family/variant each; a training has one"""
    demos: int = 20
    """successful demonstrations"""
    steps: int = 8000
    """most training steps"""
    least_steps: int = 0
    """fewest, however well it goes"""
    evaluations: int = 20
    """evaluation episodes of every task"""
    mastered: int = 40
    """training stops early once this many episodes in a row succeeded without a person's hand"""
    endless: bool = False
    """episodes until somebody stops it"""


class RunProgress(Logbook):
    """How far a training or an evaluation has come."""

    def __init__(self, plan: RunPlan, episodes: Sequence[EpisodeSummary] = ()) -> None:
        super().__init__(episodes)
        self.plan = plan

    @property
    def demos(self) -> int:
        """Successful demonstrations."""
        return sum(e.status == EpisodeStatus.SUCCESS for e in self.episodes[Source.DEMONSTRATION])

    @property
    def interventions(self) -> int:
        """Training steps that a person acted in."""
        return sum(e.interventions for e in self.episodes[Source.POLICY])

    @property
    def by_hand(self) -> list[float]:
        """Share of steps that a person acted in, of every tenth of the training episodes so far."""
        episodes = self.finished(Source.POLICY)
        parts = np.array_split(np.arange(len(episodes)), min(len(episodes), BY_HAND_PARTS) or 1)
        sums = [
            (sum(episodes[i].interventions for i in part), sum(episodes[i].own_steps for i in part))
            for part in parts
        ]
        return [helped / max(steps, 1) for helped, steps in sums] if episodes else []

    @property
    def mastered(self) -> bool:
        """Whether the last training episodes all succeeded without help, after the fewest steps."""
        if self.steps < self.plan.least_steps:
            return False
        last = self.finished(Source.POLICY)[-self.plan.mastered :]
        return len(last) == self.plan.mastered and all(map(autonomous_success, last))

    @property
    def source(self) -> str | None:
        """Source of the next episode, or None when the run is done."""
        if self.demos < self.plan.demos and not self.episodes[Source.POLICY]:
            return Source.DEMONSTRATION
        if (
            self.steps < self.plan.steps
            and not self.mastered
            and not self.episodes[Source.EVALUATION]
        ):
            return Source.POLICY
        if self.plan.endless or self.evaluations(self.task) < self.plan.evaluations:
            return Source.EVALUATION
        return None

    @property
    def task(self) -> str:
        """Task of the next episode: of several, that which was evaluated least, so that they come in turn."""
        return min(self.plan.tasks, key=self.evaluations)

    def trial(self, source: str, number: int) -> int:
        """See `Logbook`. Aborted episodes take numbers too, and every policy is to be judged on the same starts."""
        return self.evaluations(self.task) if source == Source.EVALUATION else number

    def evaluations(self, task: str) -> int:
        """Evaluation episodes of a task that ended by themselves."""
        return sum(e.task == task for e in self.finished(Source.EVALUATION))

    @property
    def trouble(self) -> str:
        """Why it makes no sense to go on; empty where it does."""
        failed = len(self.finished(Source.DEMONSTRATION)) - self.demos
        if self.source != Source.DEMONSTRATION or failed <= MAX_FAILED_DEMOS * self.plan.demos:
            return ""
        return (
            f"{failed} demonstrations failed against {self.demos} that succeeded: "
            "the task may be out of reach of who demonstrates; look at the bags, or want fewer with demos:="
        )

    @property
    def steps_left(self) -> float:
        """Estimate for the whole run, if training takes all its steps."""
        plan = self.plan
        executed = sum(e.steps for e in self.episodes[Source.POLICY])
        steps_per_training_step = (
            executed / self.steps if self.steps else 1.0
        )  # lead-ins take time, too
        steps = max(plan.steps - self.steps, 0) * steps_per_training_step * (not self.mastered)
        demos = max(plan.demos - self.demos, 0)
        wanted = plan.evaluations * len(plan.tasks)
        evaluations = max(wanted - len(self.finished(Source.EVALUATION)), 0)
        return (
            steps
            + demos * self.mean_steps(Source.DEMONSTRATION)
            + evaluations * self.mean_steps(Source.EVALUATION)
        )

    def phase(self, source: str) -> str:
        """What an episode of that source is run for."""
        return PHASES[source]

    def counts(self) -> dict[str, int | list[float]]:
        """Fields of rldg_msgs/RunStatus."""
        return {
            "demos": self.demos,
            "demos_wanted": self.plan.demos,
            "steps": self.steps,
            "steps_wanted": self.plan.steps,
            "episodes": len(self.finished(Source.POLICY)),
            "evaluations": len(self.finished(Source.EVALUATION)),
            "evaluations_wanted": self.plan.evaluations * len(self.plan.tasks),
            "interventions": self.interventions,
            "by_hand": self.by_hand,
        }


def autonomous_success(episode: EpisodeSummary) -> bool:
    """Success without a person's hand, or by a person alone."""
    return episode.status == EpisodeStatus.SUCCESS and episode.interventions == 0


def mean_seconds(episodes: Sequence[EpisodeSummary]) -> float | None:
    """Mean duration of the successes among episodes [s of ROS time]; None if there are none."""
    seconds = [e.seconds for e in episodes if e.status == EpisodeStatus.SUCCESS]
    return float(np.mean(seconds)) if seconds else None


def episode_seed(run_seed: int, source: str, number: int) -> int:
    """Seed of an episode's reset; evaluations of different policies under the same run seed start alike."""
    sequence = np.random.SeedSequence([run_seed, _STREAM[source], number])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
