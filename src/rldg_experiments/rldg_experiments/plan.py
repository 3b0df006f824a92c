# SPDX-License-Identifier: Apache-2.0
"""From an experiment to its stages: every policy, and every task that it is judged on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rldg_core.task import load_task
from rldg_experiments.cell import SPECIALIST, WHERE, Cell
from rldg_experiments.claims import PlannedClaim, planned_claims
from rldg_experiments.experiment import HUMAN, RLDG, Experiment, ExperimentError, Variants
from rldg_experiments.stages import (
    DatasetStage,
    Episodes,
    Evaluation,
    Relabelled,
    Specialist,
    Stage,
    StudentTraining,
)


@dataclass(frozen=True)
class ExperimentPlan:
    """Everything that an experiment needs."""

    experiment: Experiment
    data: tuple[Episodes | Relabelled, ...]
    """of every family and source"""
    cells: tuple[Cell, ...]
    claims: tuple[PlannedClaim, ...] = ()

    @property
    def targets(self) -> list[Stage]:
        """What the report is made of, in the order in which it is made."""
        return [*self.data, *(e for cell in self.cells for e in cell.evaluations)]

    @property
    def specialists(self) -> list[Specialist]:
        """Those that made or relabelled the data, each once."""
        return list(dict.fromkeys(s for episodes in self.data for s in episodes.specialists))


def make_experiment_plan(experiment: Experiment) -> ExperimentPlan:
    """The stages of an experiment.

    Raises:
        ExperimentError: one of its figures would be empty, or a claim is about nothing that is judged.
    """
    data: list[Episodes | Relabelled] = []
    cells: list[Cell] = []
    for family, variants in experiment.tasks.items():
        specialists = _specialists(experiment, family, variants)
        gathered = [_gathered(experiment, source, specialists) for source in experiment.sources]
        data += gathered
        cells += _specialist_cells(experiment, family, variants, specialists)
        cells += [
            cell
            for episodes in gathered
            for count in experiment.episodes
            for cell in _student_cells(experiment, family, variants, DatasetStage(episodes, count))
        ]
    _check_figures(experiment, cells)
    claims = planned_claims(experiment, cells)
    return ExperimentPlan(experiment, tuple(data), tuple(cells), claims)


def _check_figures(experiment: Experiment, cells: Sequence[Cell]) -> None:
    """Whether there is something to be seen on every figure."""
    students = [cell for cell in cells if cell.source]
    for figure, shown in (("success", cells), ("cycle_time", cells), ("scaling", students)):
        if figure in experiment.figures and not shown:
            raise ExperimentError(
                f"{experiment.name}: figures: nothing would be on {figure}: name students, "
                "or take it away"
            )


def _specialists(experiment: Experiment, family: str, variants: Variants) -> tuple[Specialist, ...]:
    settings = experiment.specialist
    return tuple(
        Specialist(task.id, settings.demos, settings.steps or task.learning.steps, settings.seed)
        for task in (load_task(f"{family}/{variant}") for variant in variants.train)
    )


def _gathered(
    experiment: Experiment, source: str, specialists: tuple[Specialist, ...]
) -> Episodes | Relabelled:
    """As many as the largest dataset wants; the smaller ones take some of them."""
    tasks = tuple(specialist.task for specialist in specialists)
    count, seed = max(experiment.episodes), experiment.specialist.seed
    if source == RLDG:
        return Episodes(source, tasks, count, seed, specialists)
    human = Episodes(HUMAN, tasks, count, seed)
    return human if source == HUMAN else Relabelled(human, specialists, seed)


def _specialist_cells(
    experiment: Experiment,
    family: str,
    variants: Variants,
    specialists: tuple[Specialist, ...],
) -> Iterator[Cell]:
    """Seen: each on its own task; unseen: each on all of them."""
    if experiment.sources == (HUMAN,):
        return
    for where in experiment.evaluation.specialists:
        pairs = [
            (specialist, f"{family}/{variant}")
            for specialist in specialists
            for variant in variants.judged(where)
            if where == "unseen" or specialist.task == f"{family}/{variant}"
        ]
        evaluations = tuple(_evaluation(experiment, *pair) for pair in pairs)
        if evaluations:
            yield Cell(family, SPECIALIST, "", 0, where, evaluations)


def _student_cells(
    experiment: Experiment, family: str, variants: Variants, dataset: DatasetStage
) -> Iterator[Cell]:
    for called, settings in experiment.students.items():
        student = StudentTraining(
            called, settings.student, tuple(sorted(settings.options.items())), dataset
        )
        for where in WHERE:
            evaluations = tuple(
                _evaluation(experiment, student, f"{family}/{variant}")
                for variant in variants.judged(where)
            )
            if evaluations:
                yield Cell(
                    family, called, dataset.episodes.source, dataset.count, where, evaluations
                )


def _evaluation(
    experiment: Experiment, policy: Specialist | StudentTraining, task: str
) -> Evaluation:
    return Evaluation(policy, task, experiment.evaluation.episodes, experiment.evaluation.seed)
