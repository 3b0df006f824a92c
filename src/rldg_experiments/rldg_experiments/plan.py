# SPDX-License-Identifier: Apache-2.0
"""From an experiment to its stages: every policy, and every task that it is judged on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rldg_core.task import load_task
from rldg_experiments.cell import SPECIALIST, WHERE, Cell
from rldg_experiments.claims import PlannedClaim, planned_claims
from rldg_experiments.experiment import (
    SPECIALISTS,
    DataSettings,
    Experiment,
    ExperimentError,
    StudentSettings,
    Variants,
    round_name,
)
from rldg_experiments.rounds import with_rounds
from rldg_experiments.stages import (
    HUMAN,
    RLDG,
    DatasetStage,
    Episodes,
    Evaluation,
    Relabelled,
    Specialist,
    Stage,
    StudentTraining,
)


@dataclass(frozen=True)
class PlannedData:
    """Data of a family with one seed."""

    name: str
    """as the experiment calls it"""
    seed: int
    episodes: Episodes | Relabelled
    """as many as its largest dataset wants; the smaller ones take some of them"""


@dataclass(frozen=True)
class ExperimentPlan:
    """Everything that an experiment needs."""

    experiment: Experiment
    data: tuple[PlannedData, ...]
    """of every family, name and seed"""
    cells: tuple[Cell, ...]
    claims: tuple[PlannedClaim, ...] = ()

    @property
    def targets(self) -> list[Stage]:
        """What the report is made of, in the order in which it is made."""
        return [
            *(d.episodes for d in self.data),
            *(e for cell in self.cells for e in cell.evaluations),
        ]

    @property
    def specialists(self) -> list[Specialist]:
        """Those that made or relabelled the data, each once."""
        return list(dict.fromkeys(s for data in self.data for s in data.episodes.specialists))


def make_experiment_plan(experiment: Experiment) -> ExperimentPlan:
    """The stages of an experiment.

    Raises:
        ExperimentError: one of its figures would be empty, a claim is about nothing that is judged, or two stages would
            write one folder.
    """
    data: list[PlannedData] = []
    cells: list[Cell] = []
    for family, variants in experiment.tasks.items():
        specialists = {
            seed: _specialists(experiment, family, variants, seed) for seed in experiment.seeds
        }
        gathered = [
            PlannedData(name, seed, _gathered(settings, specialists[seed], seed))
            for name, settings in experiment.data.items()
            for seed in experiment.seeds
        ]
        data += gathered
        cells += _specialist_cells(experiment, family, variants, specialists)
        cells += [
            cell
            for name, settings in experiment.data.items()
            for count in settings.episodes
            for cell in _student_cells(
                experiment,
                family,
                variants,
                name,
                [
                    DatasetStage(each.episodes, count, settings.where)
                    for each in gathered
                    if each.name == name
                ],
                specialists,
            )
        ]
    _check_figures(experiment, cells)
    plan = ExperimentPlan(experiment, tuple(data), tuple(cells), planned_claims(experiment, cells))
    _check_folders(plan.targets)
    return plan


def _check_folders(targets: Sequence[Stage]) -> None:
    """Whether every stage has a folder of its own."""
    owners: dict[Path, Stage] = {}

    def visit(stage: Stage) -> None:
        owner = owners.setdefault(stage.artefact, stage)
        if owner is not stage and owner != stage:
            raise ExperimentError(
                f"two stages would write {stage.artefact}: '{owner.title}' and '{stage.title}'; name one otherwise"
            )
        for other in stage.needs:
            visit(other)

    for target in targets:
        visit(target)


def _check_figures(experiment: Experiment, cells: Sequence[Cell]) -> None:
    """Whether there is something to be seen on every figure."""
    students = [cell for cell in cells if cell.source]
    for figure, shown in (("success", cells), ("cycle_time", cells), ("scaling", students)):
        if figure in experiment.figures and not shown:
            raise ExperimentError(
                f"{experiment.name}: figures: nothing would be on {figure}: name students, "
                "or take it away"
            )


def _specialists(
    experiment: Experiment, family: str, variants: Variants, seed: int
) -> tuple[Specialist, ...]:
    settings = experiment.specialist
    return tuple(
        Specialist(task.id, settings.demos, settings.steps or task.learning.steps, seed)
        for task in (load_task(f"{family}/{variant}") for variant in variants.train)
    )


def _gathered(
    data: DataSettings, specialists: tuple[Specialist, ...], seed: int
) -> Episodes | Relabelled:
    tasks = tuple(specialist.task for specialist in specialists)
    count = max(data.episodes)
    if data.of == SPECIALISTS:
        return Episodes(RLDG, tasks, count, seed, specialists)
    human = Episodes(HUMAN, tasks, count, seed)
    return Relabelled(human, specialists, seed) if data.relabel else human


def _specialist_cells(
    experiment: Experiment,
    family: str,
    variants: Variants,
    specialists: Mapping[int, tuple[Specialist, ...]],
) -> Iterator[Cell]:
    """Seen: each on its own task; unseen: each on all of them."""
    if not any(data.needs_specialists for data in experiment.data.values()):
        return
    for where in experiment.evaluation.specialists:
        pairs = [
            (specialist, f"{family}/{variant}")
            for of_seed in specialists.values()
            for specialist in of_seed
            for variant in variants.judged(where)
            if where == "unseen" or specialist.task == f"{family}/{variant}"
        ]
        evaluations = tuple(_evaluation(experiment, *pair) for pair in pairs)
        if evaluations:
            yield Cell(family, SPECIALIST, "", 0, where, evaluations)


def _student_cells(
    experiment: Experiment,
    family: str,
    variants: Variants,
    data: str,
    datasets: Sequence[DatasetStage],
    specialists: Mapping[int, tuple[Specialist, ...]],
) -> Iterator[Cell]:
    """Of the students that learn from one data, with a dataset for each seed; of each also after its rounds."""
    for called, settings in experiment.students.items():
        if data not in experiment.data_of(settings):
            continue
        of_seeds = [
            with_rounds(
                _student(called, settings, dataset),
                specialists[dataset.seed],
                settings.rounds,
                settings.round_episodes,
            )
            for dataset in datasets
        ]
        for number, students in enumerate(zip(*of_seeds, strict=True)):
            policy = round_name(called, number)
            for where in WHERE:
                evaluations = tuple(
                    _evaluation(experiment, student, f"{family}/{variant}")
                    for student in students
                    for variant in variants.judged(where)
                )
                if evaluations:
                    yield Cell(family, policy, data, datasets[0].count, where, evaluations)


def _student(called: str, settings: StudentSettings, dataset: DatasetStage) -> StudentTraining:
    """With the seed of its data; 0 is the default of `distill`, and is left to it."""
    seed = {"seed": dataset.seed} if dataset.seed else {}
    options = tuple(sorted((settings.options | seed).items()))
    return StudentTraining(called, settings.student, options, dataset)


def _evaluation(
    experiment: Experiment, policy: Specialist | StudentTraining, task: str
) -> Evaluation:
    settings = experiment.evaluation
    return Evaluation(
        policy, task, settings.episodes, settings.seed, settings.perturb, settings.transport
    )
