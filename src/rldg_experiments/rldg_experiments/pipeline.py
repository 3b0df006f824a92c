# SPDX-License-Identifier: Apache-2.0
"""What an experiment still has to do, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rldg_core.files.claim import Claim
from rldg_experiments.experiment import ExperimentError
from rldg_experiments.pace import estimate_left, estimated
from rldg_experiments.plan import ExperimentPlan
from rldg_experiments.report import hours_minutes_seconds
from rldg_experiments.side_by_side import Failure, SideBySide, last_line
from rldg_experiments.stages import RUNS, Stage
from rldg_experiments.store import in_dependency_order, note_of

REPORTS = RUNS / "experiments"


def report_folder(plan: ExperimentPlan) -> Path:
    """Where the report lies."""
    return REPORTS / f"{plan.experiment.name}_{plan.experiment.budget}"


def outline(plan: ExperimentPlan, jobs: int) -> list[str]:
    """What would be run, for people."""
    stages = in_dependency_order(plan.targets)
    lines = []
    for stage in stages:
        estimate = estimated(stage, stages)
        state = (
            "finished"
            if note_of(stage)
            else f"estimated: {hours_minutes_seconds(estimate.seconds)}, "
            f"{estimate.cpu_seconds / 60:.1f} min of processor time"
        )
        lines += [f"{stage.title} ({state})", f"    {stage.command}"]
    return [*lines, _ahead(stages, jobs)]


def run(plan: ExperimentPlan, jobs: int, tell: Callable[[str], None]) -> None:
    """Run what is missing, so many stages side by side.

    Raises:
        InUse: another experiment is running here.
        ExperimentError: a command failed.
        Stopped: a signal asked for it.
    """
    with _claim():
        stages = in_dependency_order(plan.targets)
        tell(_ahead(stages, jobs))
        side_by_side = SideBySide(stages, jobs, report_folder(plan) / "logs", tell)
        side_by_side.run()
        if side_by_side.failures:
            raise ExperimentError(_failure_text(side_by_side.failures))


def _failure_text(failures: Sequence[Failure]) -> str:
    lines = [
        f"exit code {each.exit_code}, output in {each.log}: {each.stage.command}\n"
        f"  its last line: {last_line(each.log)}"
        for each in failures
    ]
    return (
        "\n".join(lines)
        + "\nWhat does not need them is finished. Fix the cause and start the experiment again: it resumes there"
    )


def _ahead(stages: Sequence[Stage], jobs: int) -> str:
    finished = sum(note_of(stage) is not None for stage in stages)
    left = estimate_left(stages, jobs)
    return (
        f"{len(stages)} stages, {finished} of them finished; estimated for the rest, {jobs} side by side: "
        f"{hours_minutes_seconds(left.seconds)}, {left.cpu_seconds / 60:.0f} min of processor time"
    )


def _claim() -> Claim:
    """Keep other experiments out of these runs: they may share stages.

    Raises:
        InUse: one is in.
        ExperimentError: the folder cannot be written.
    """
    here = REPORTS.absolute()
    try:
        return Claim(
            REPORTS,
            f"another experiment is running in {here}: wait for it, or type this in another folder",
        )
    except OSError as error:
        raise ExperimentError(f"cannot write {here}: {error.strerror}") from error
