# SPDX-License-Identifier: Apache-2.0
"""Rounds of DAgger: a student acts, the specialists label the states that it came to, and it learns from those too.

Ross et al. 2011, arXiv:1011.0686. Every round adds its labels to all data of before and goes on from the last student.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rldg_experiments.commands import Command, option
from rldg_experiments.experiment import round_name
from rldg_experiments.stages import (
    DATA,
    RUNS,
    Specialist,
    Stage,
    StudentTraining,
    task_definitions,
)

APART = 1000
"""between the seeds of two rounds: no round has the starts of another, nor of another seed of the experiment"""


@dataclass(frozen=True)
class OwnEpisodes(Stage):
    """Episodes of a student, whatever their outcome, the same number of every task."""

    KIND: ClassVar[str] = "OwnEpisodes"
    VERSION: ClassVar[int] = 1
    student: StudentTraining
    tasks: tuple[str, ...]
    episodes: int
    seed: int

    def world(self) -> Mapping[str, Any]:
        """The tasks."""
        return {"tasks": task_definitions(self.tasks)}

    @property
    def label(self) -> str:
        """own_cnn_rldg_connector_150_50."""
        return f"own_{self.student.label}_{self.episodes}"

    @property
    def command(self) -> Command:
        """`collect` without ROS: on all cores."""
        who = (f"policy:={self.student.name}", f"task:={','.join(self.tasks)}", "status:=all")
        how = (f"episodes:={self.episodes}", f"seed:={self.seed}", "transport:=direct")
        return Command(("launch", "collect", *who, *how, f"name:={self.name}"))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.episodes} episodes of {self.student.label}, whatever their outcome"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 10 + self.episodes * 1.5


@dataclass(frozen=True)
class Labels(Stage):
    """A student's episodes with the specialists' actions."""

    KIND: ClassVar[str] = "Labels"
    VERSION: ClassVar[int] = 1
    of: OwnEpisodes
    specialists: tuple[Specialist, ...]
    seed: int

    @property
    def label(self) -> str:
        """labels_cnn_rldg_connector_150_50."""
        return f"labels_{self.of.label.removeprefix('own_')}"

    @property
    def command(self) -> Command:
        """`relabel`."""
        who = [word for s in self.specialists for word in ("--policy", f"{s.task}={s.name}")]
        words = ("run", "rldg_rl", "relabel", self.of.name, "--status", "all", *who)
        return Command((*words, "--seed", str(self.seed), "--name", self.name))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return (
            f"{self.of.episodes} episodes of {self.of.student.label} get the specialists' actions"
        )

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 5 + self.of.episodes * 0.4


@dataclass(frozen=True)
class LabelsDataset(Stage):
    """All of them, for training."""

    KIND: ClassVar[str] = "LabelsDataset"
    VERSION: ClassVar[int] = 1
    labels: Labels

    @property
    def label(self) -> str:
        """As the labels."""
        return self.labels.label

    @property
    def artefact(self) -> Path:
        """A dataset, not a run."""
        return DATA / self.name

    @property
    def command(self) -> Command:
        """`convert`; what a killed one had published is replaced."""
        run, out = str(RUNS / self.labels.name), str(self.artefact)
        return Command(("convert", run, "--status", "all", "--out", out, "--overwrite"))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.labels.of.episodes} labelled episodes become a dataset"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 4 + self.labels.of.episodes * 0.1


@dataclass(frozen=True)
class RoundTraining(StudentTraining):
    """A student goes on with the labels of its own states beside all data of before."""

    KIND: ClassVar[str] = "Round"
    before: StudentTraining
    labels: tuple[LabelsDataset, ...]
    """of every round so far"""

    @property
    def label(self) -> str:
        """cnn_round1_rldg_connector_150."""
        return f"{round_name(self.called, len(self.labels))}_{self.dataset.label}"

    @property
    def command(self) -> Command:
        """`distill`."""
        options = [word for name, value in self.options for word in option(name, value)]
        data = [str(dataset.artefact) for dataset in (self.dataset, *self.labels)]
        start = (
            "distill",
            *data,
            "--student",
            self.student,
            "--init",
            str(RUNS / self.before.name),
        )
        return Command((*start, *options, "--name", self.name))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.called} learns from the specialists' labels, round {len(self.labels)}"


def with_rounds(
    first: StudentTraining,
    specialists: tuple[Specialist, ...],
    rounds: int,
    episodes: int,
) -> Iterator[StudentTraining]:
    """A student, and the same after every round.

    Args:
        first: before the first round.
        specialists: who label, one a task.
        rounds: how many.
        episodes: of the student in every round, over all tasks together.
    """
    student, labels = first, tuple[LabelsDataset, ...]()
    tasks = tuple(specialist.task for specialist in specialists)
    yield student
    for number in range(1, rounds + 1):
        seed = first.seed + APART * number
        own = OwnEpisodes(student, tasks, episodes, seed)
        labels = (*labels, LabelsDataset(Labels(own, specialists, seed)))
        what = (first.called, first.student, first.options, first.dataset)
        student = RoundTraining(*what, student, labels)
        yield student
