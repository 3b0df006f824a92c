# SPDX-License-Identifier: Apache-2.0
"""Where the files of a run lie: `runs/<name>/` of a training, a collection, a distillation or an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPaths:
    """Every path below a run's folder; none of them has to be there."""

    path: Path
    """of the folder"""

    @property
    def arguments(self) -> Path:
        """The stack that made the run, and its arguments."""
        return self.path / "arguments.yaml"

    @property
    def config(self) -> Path:
        """What its episodes depend on."""
        return self.path / "config.yaml"

    @property
    def logs(self) -> Path:
        """What the nodes printed, one file each."""
        return self.path / "logs"

    @property
    def gate_stop(self) -> Path:
        """A simulated robot's stop, which outlives its gate."""
        return self.logs / "gate_stopped.json"

    @property
    def bags(self) -> Path:
        """One folder per episode."""
        return self.path / "bags"

    @property
    def learner_checkpoint(self) -> Path:
        """Networks, optimisers and counts: all that the learner needs to go on."""
        return self.path / "checkpoints" / "learner.safetensors"

    @property
    def policy_checkpoint(self) -> Path:
        """The specialist's policy alone: what evaluation and collection load."""
        return self.path / "checkpoints" / "policy.safetensors"

    @property
    def encoder_fit(self) -> Path:
        """How well a specialist's image encoder tells where the goal is."""
        return self.path / "checkpoints" / "encoder.json"

    @property
    def student(self) -> Path:
        """The folder of a student: what evaluation and collection load of a distillation."""
        return self.path / "checkpoints" / "student"

    @property
    def student_training(self) -> Path:
        """All that a distillation needs to go on."""
        return self.path / "checkpoints" / "training.safetensors"

    @property
    def tensorboard(self) -> Path:
        """Event files, one folder per process."""
        return self.path / "tensorboard"

    @property
    def videos(self) -> Path:
        """Films of episodes."""
        return self.path / "videos"

    @property
    def records(self) -> Path:
        """One line per evaluation episode."""
        return self.path / "episodes.jsonl"

    @property
    def summary(self) -> Path:
        """What came out."""
        return self.path / "summary.json"

    @property
    def wall_time(self) -> Path:
        """Wall time that earlier starts spent on the run."""
        return self.path / "wall_seconds.json"

    @property
    def resets(self) -> Path:
        """How long the motions to a start took."""
        return self.path / "resets.json"

    @property
    def false_firings(self) -> Path:
        """Where a classifier's reward was wrong, as a person said."""
        return self.path / "false_firings.json"

    @property
    def replay_report(self) -> Path:
        """How far the replayed episodes strayed from the recorded ones."""
        return self.path / "replay.json"

    @property
    def evaluations(self) -> Path:
        """One folder per evaluation of the run's policy, each with paths of its own as here."""
        return self.path / "evaluations"

    @property
    def is_evaluation(self) -> bool:
        """Whether the run is an evaluation, which lies in the folder of what is evaluated."""
        return self.path.parent.name == self.evaluations.name

    @property
    def policies(self) -> tuple[Path, Path]:
        """Where a trained policy may lie: the specialist's, the student's."""
        return self.policy_checkpoint, self.student


def bags_below(path: Path) -> Path:
    """The folder of bags where `path` is a run's, else `path` itself."""
    bags = RunPaths(path).bags
    return bags if bags.is_dir() else path
