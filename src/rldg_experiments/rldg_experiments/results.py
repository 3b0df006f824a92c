# SPDX-License-Identifier: Apache-2.0
"""What came out: a row for every cell of the comparison, and whether the claims held. Written as `results.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rldg_core.files.checked_file import read_json, typed
from rldg_core.run_paths import RunPaths
from rldg_core.task import load_task
from rldg_experiments import paper
from rldg_experiments.cell import SPECIALIST, Cell
from rldg_experiments.claims import ExperimentArm, PlannedClaim
from rldg_experiments.evaluation import (
    EpisodeOutcome,
    Interval,
    cycle_seconds,
    outcomes,
    peak_force_per_success,
    success_rate,
    successes_per_10_minutes,
)
from rldg_experiments.plan import ExperimentPlan, PlannedData
from rldg_experiments.stages import Evaluation, Specialist, Stage
from rldg_experiments.store import NOTE, Note, code, note_of
from rldg_experiments.verdict import HELD, ClaimDecision, Outcomes, Start, decide_claim

DONE_AGAIN = f"Delete {NOTE} beside it, and the stage is done again where it is needed"


@dataclass(frozen=True)
class Collected:
    """What is read of the summary of a run that collected episodes."""

    tasks: dict[str, dict[str, Any]]
    """at least episodes, successes, mean_cycle_seconds"""

    def __post_init__(self) -> None:
        for task, figures in self.tasks.items():
            typed(figures, _OfTask, task)


@dataclass(frozen=True)
class _OfTask:
    episodes: int
    successes: int
    mean_cycle_seconds: float | None = None


@dataclass(frozen=True)
class Trained:
    """What is read of the summary of a specialist's run."""

    steps: int


@dataclass(frozen=True)
class Figures:
    """What some episodes say together."""

    episodes: int
    successes: int
    success: Interval
    cycle_seconds: Interval | None
    """of the successes; None for fewer than two"""
    failures: dict[str, int]
    """how many of which class, most frequent first"""
    successes_per_10_minutes: Interval | None = None
    """failures and resets counted in; None: too few episodes, or a file of before this was kept"""
    peak_force_per_success: Interval | None = None
    """[N] mean of the successes' greatest forces; None: fewer than two, or a file of before this was kept"""


@dataclass(frozen=True)
class Row:
    """A cell of the comparison with its outcome, over all tasks and of each."""

    family: str
    policy: str
    source: str
    training_episodes: int
    where: str
    all: Figures
    """of all seeds together, as if they were more starts"""
    tasks: dict[str, Figures]
    seeds: dict[str, Figures] = field(default_factory=dict)
    """by seed of the training; empty in a file of before this was kept"""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim, and what decides it."""

    claim: PlannedClaim
    decision: ClaimDecision

    @property
    def held(self) -> bool:
        """Whether it is shown to be so."""
        return self.decision.verdict == HELD

    def content(self) -> dict[str, Any]:
        """For `results.json`."""
        second = self.claim.second
        return {
            "claim": asdict(self.claim.settings),
            "on": self.claim.on,
            "first": str(self.claim.first),
            "second": None if second is None else str(second),
            "values": asdict(self.decision),
            "verdict": self.decision.verdict,
        }


@dataclass(frozen=True)
class Data:
    """The episodes that students learned from."""

    family: str
    source: str
    """as the experiment calls it"""
    seed: int
    tasks: dict[str, dict[str, Any]]
    """by task, as the run's summary has it: at least episodes, successes, mean_cycle_seconds"""


@dataclass(frozen=True)
class Training:
    """What a specialist needed, beside what its task's YAML allows."""

    task: str
    seed: int
    steps: int
    cpu_minutes: float | None
    """[min] of processor time; None: not measured, since it was killed on the way or is of before this was"""
    cpu_budget: float | None
    """[min] that the task allows; None: it says nothing"""
    success: Figures | None
    """on its own task, as evaluated in this experiment; None: it was not"""

    @property
    def within(self) -> bool | None:
        """Whether it kept to the budget; None: unknown."""
        if self.cpu_minutes is None or self.cpu_budget is None:
            return None
        return self.cpu_minutes <= self.cpu_budget


@dataclass(frozen=True)
class Results:
    """All that an experiment found."""

    plan: ExperimentPlan
    rows: tuple[Row, ...]
    data: tuple[Data, ...]
    trainings: tuple[Training, ...]
    """of the specialists whose runs are still there"""
    claims: tuple[JudgedClaim, ...]
    notes: dict[str, Note]
    """how every stage of it was made, by the folder that it left, in the order of the stages"""

    @property
    def other_code(self) -> list[str]:
        """Stages that other code than today's made."""
        return [name for name, note in self.notes.items() if note.code != code()]

    def json(self) -> str:
        """`results.json`."""
        experiment = asdict(self.plan.experiment)
        content = {
            "experiment": experiment,
            "claims": [claim.content() for claim in self.claims],
            "results": [asdict(row) for row in self.rows],
            "specialists": [asdict(t) | {"within": t.within} for t in self.trainings],
            "data": [asdict(data) for data in self.data],
            "paper": [asdict(number) for number in paper.numbers()],
            "stages": {name: asdict(note) for name, note in self.notes.items()},
        }
        return json.dumps(content, indent=2) + "\n"


def gather(plan: ExperimentPlan) -> Results:
    """Read what the finished stages of a plan left."""
    rows = tuple(_row(cell) for cell in plan.cells)
    data = tuple(_data(episodes) for episodes in plan.data)
    claims = tuple(map(_judged, plan.claims))
    return Results(plan, rows, data, _trainings(plan), claims, _notes(plan))


def of_most_episodes(rows: Sequence[Row]) -> list[Row]:
    """The rows of each data's largest number of episodes, and those of the specialists, which learn from none."""
    most = {"": 0}
    for row in rows:
        if row.source:
            most[row.source] = max(row.training_episodes, most.get(row.source, 0))
    return [row for row in rows if row.training_episodes == most[row.source]]


def _row(cell: Cell) -> Row:
    of_tasks: dict[str, list[EpisodeOutcome]] = {}
    of_seeds: dict[str, list[EpisodeOutcome]] = {}
    for evaluation in cell.evaluations:
        found = outcomes(evaluation.artefact)
        of_tasks.setdefault(evaluation.task, []).extend(found)
        of_seeds.setdefault(str(evaluation.policy.seed), []).extend(found)
    together = [outcome for found in of_tasks.values() for outcome in found]
    return Row(
        cell.family,
        cell.policy,
        cell.source,
        cell.episodes,
        cell.where,
        figures_of(together),
        {task: figures_of(found) for task, found in of_tasks.items()},
        {seed: figures_of(found) for seed, found in of_seeds.items()},
    )


def _judged(claim: PlannedClaim) -> JudgedClaim:
    second = None if claim.second is None else _outcomes(claim.second)
    return JudgedClaim(claim, decide_claim(claim.settings, _outcomes(claim.first), second))


def _outcomes(arm: ExperimentArm) -> Outcomes:
    found: dict[int, dict[Start, list[EpisodeOutcome]]] = {}
    for evaluation in arm.evaluations:
        of_seed = found.setdefault(evaluation.policy.seed, {})
        for outcome in outcomes(evaluation.artefact):
            of_seed.setdefault((evaluation.task, outcome.number), []).append(outcome)
    return found


def figures_of(episodes: Sequence[EpisodeOutcome]) -> Figures:
    """What episodes say together."""
    successes = sum(episode.success for episode in episodes)
    failures = dict(Counter(e.failure for e in episodes if e.failure).most_common())
    rate, seconds = success_rate(episodes), cycle_seconds(episodes)
    return Figures(
        len(episodes),
        successes,
        rate,
        seconds,
        failures,
        successes_per_10_minutes(episodes),
        peak_force_per_success(episodes),
    )


def _data(data: PlannedData) -> Data:
    tasks = read_json(RunPaths(data.episodes.artefact).summary, Collected, fix=DONE_AGAIN).tasks
    return Data(data.episodes.tasks[0].split("/")[0], data.name, data.seed, tasks)


def _trainings(plan: ExperimentPlan) -> tuple[Training, ...]:
    """Of the specialists whose runs are still there."""
    judged = {
        evaluation.policy: evaluation
        for cell in plan.cells
        if (cell.policy, cell.where) == (SPECIALIST, "seen")
        for evaluation in cell.evaluations
    }
    noted = ((specialist, note_of(specialist)) for specialist in plan.specialists)
    return tuple(_training(s, note, judged.get(s)) for s, note in noted if note)


def _training(specialist: Specialist, note: Note, judged: Evaluation | None) -> Training:
    steps = read_json(RunPaths(specialist.artefact).summary, Trained, fix=DONE_AGAIN).steps
    return Training(
        task=specialist.task,
        seed=specialist.seed,
        steps=steps,
        cpu_minutes=None if note.resumed or note.cpu_seconds is None else note.cpu_seconds / 60,
        cpu_budget=load_task(specialist.task).cpu_budget,
        success=None if judged is None else figures_of(outcomes(judged.artefact)),
    )


def _notes(plan: ExperimentPlan) -> dict[str, Note]:
    """Of all stages that are there; those behind finished ones may have been deleted."""
    notes: dict[str, Note] = {}

    def visit(stage: Stage) -> None:
        for other in stage.needs:
            visit(other)
        note = note_of(stage)
        if note:
            notes[str(stage.artefact)] = note

    for target in plan.targets:
        visit(target)
    return notes
