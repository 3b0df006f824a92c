# SPDX-License-Identifier: Apache-2.0
"""Runs the stages of a plan that are not finished, one after another.

One after another, since each of the slow commands, training, collecting and distilling, keeps two cores busy by itself.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

from rldg_core.files.claim import Claim
from rldg_experiments.experiment import ExperimentError
from rldg_experiments.pace import seconds_left
from rldg_experiments.plan import ExperimentPlan
from rldg_experiments.report import hours_minutes_seconds
from rldg_experiments.stages import RUNS, Stage
from rldg_experiments.store import finish, in_dependency_order, note_of

REPORTS = RUNS / "experiments"


def report_folder(plan: ExperimentPlan) -> Path:
    """Where the report lies."""
    return REPORTS / f"{plan.experiment.name}_{plan.experiment.budget}"


def outline(plan: ExperimentPlan) -> list[str]:
    """What would be run, for people."""
    stages = in_dependency_order(plan.targets)
    lines = []
    for stage in stages:
        state = (
            "finished"
            if note_of(stage)
            else f"about {hours_minutes_seconds(stage.typical_seconds)}"
        )
        lines += [f"{stage.title} ({state})", f"    {stage.command}"]
    return [*lines, _ahead(stages)]


def run(plan: ExperimentPlan, tell: Callable[[str], None]) -> None:
    """Run what is missing.

    Raises:
        InUse: another experiment is running here.
        ExperimentError: a command failed.
        Stopped: a signal asked for it.
    """
    with _claim():
        stages = in_dependency_order(plan.targets)
        tell(_ahead(stages))
        started = time.monotonic()
        for number, stage in enumerate(stages, 1):
            if note_of(stage):
                continue
            spent, left = time.monotonic() - started, seconds_left(stages)
            tell(
                f"[{number}/{len(stages)}] {hours_minutes_seconds(spent)} so far, "
                f"about {hours_minutes_seconds(left)} left: {stage.title}"
            )
            tell(f"  {stage.command}")
            _make(stage)


def _make(stage: Stage) -> None:
    resumed, started, before = stage.artefact.exists(), time.monotonic(), _cpu_seconds()
    code = stage.command.run()
    if code:
        raise ExperimentError(
            f"the command above ended with exit code {code}: {stage.command}\n"
            "Its output is above. Fix the cause and start the experiment again: it resumes here"
        )
    finish(stage, time.monotonic() - started, _cpu_seconds() - before, resumed)


def _cpu_seconds() -> float:
    """Processor time of all commands that have ended, with the processes that they started and saw the end of [s]."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _ahead(stages: list[Stage]) -> str:
    finished = sum(note_of(stage) is not None for stage in stages)
    left = hours_minutes_seconds(seconds_left(stages))
    return f"{len(stages)} stages, {finished} of them finished; about {left} left"


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
