# SPDX-License-Identifier: Apache-2.0
"""A whole experiment, tiny: real collections, datasets, students and evaluations, killed in the middle, and cached."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from harness import Processes, executable, expect_exit, wait_until
from steering import trained_run

from rldg_experiments import pipeline
from rldg_experiments.experiment import load
from rldg_experiments.plan import ExperimentPlan, make_experiment_plan
from rldg_experiments.stages import Episodes, Stage
from rldg_experiments.store import NOTE, finish, in_dependency_order, note_of

TINY = """
description: everything once
tasks: {connector: {train: [vga]}}
specialist: {demos: 2, steps: 50}
data: {human: {of: operator, episodes: 3}, rldg: {of: specialist, episodes: 3}}
students: {cnn: {student: cnn, options: {steps: 3, batch_size: 4, workers: 1}}}
evaluation: {episodes: 1, specialists: []}
claims: [{better: rldg, than: human, on: seen}]
figures: [success, scaling, cycle_time, actions]
"""


def plan_of(folder: Path, text: str = TINY) -> ExperimentPlan:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return make_experiment_plan(load(str(path)))


def missing(plan: ExperimentPlan) -> list[Stage]:
    return [stage for stage in in_dependency_order(plan.targets) if note_of(stage) is None]


def made_at(plan: ExperimentPlan) -> dict[str, int]:
    """When every finished stage was noted [ns]."""
    return {
        s.name: (s.artefact / NOTE).stat().st_mtime_ns
        for s in in_dependency_order(plan.targets)
        if note_of(s)
    }


@pytest.fixture
def plan(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> ExperimentPlan:
    """A tiny experiment in the folder of the test; a steering policy stands for the specialist."""
    monkeypatch.chdir(processes.folder)
    plan = plan_of(processes.folder)
    (specialist,) = (s for data in plan.data for s in data.episodes.specialists)
    trained_run(specialist.artefact, specialist.task)
    (specialist.artefact / "summary.json").write_text('{"steps": 50}')
    finish(specialist, seconds=60.0, cpu_seconds=120.0, resumed=False)
    return plan


def test_an_experiment_goes_on_after_a_kill_and_does_nothing_twice(
    processes: Processes, plan: ExperimentPlan
) -> None:
    command = (executable("rldg_experiments", "experiment"), "tiny.yaml", "--jobs", "1")
    stages = [type(stage).__name__ for stage in missing(plan)]
    assert stages.count("Evaluation") == 2 and len(stages) == 8, "of each source, with its data"

    experiment = processes.start(*command)
    bags = plan.data[0].episodes.artefact / "bags"
    wait_until(lambda: len(list(bags.glob("*/metadata.yaml"))) >= 1, "an episode")
    os.kill(experiment.pid, signal.SIGKILL)
    experiment.wait()
    # Soon, or it has come to its own end.
    wait_until(lambda: processes.pid("actor") is None, "the end of what it had started", 10)
    before = {bag.parent.name for bag in bags.glob("*/metadata.yaml")}

    experiment = processes.start(*command)
    wait_until(lambda: processes.pid("actor"), "it to go on")
    again = subprocess.run(
        command, cwd=processes.folder, env=processes.environment, capture_output=True, check=False
    )
    assert again.returncode == 1 and b"another experiment is running" in again.stderr
    expect_exit(experiment)
    assert before <= {bag.parent.name for bag in bags.glob("*/metadata.yaml")}
    assert not missing(plan)
    first, second = (data.episodes for data in plan.data)
    assert note_of(first).resumed and not note_of(second).resumed
    assert note_of(second).cpu_seconds > 2.0, "the nodes' time, not the launch's alone"
    said = experiment.log.read_text()
    assert all(
        note_of(stage) and str(stage.command) in said
        for stage in in_dependency_order(plan.targets)[1:]
    )
    report = pipeline.report_folder(plan)
    results = json.loads((report / "results.json").read_text())
    assert [(c["on"], c["values"]["starts"]) for c in results["claims"]] == [("connector/seen", 1)]
    assert {d["source"]: d["tasks"]["connector/vga"]["successes"] for d in results["data"]} == {
        "human": 3,
        "rldg": 3,
    }
    (trained,) = results["specialists"]
    assert (trained["task"], trained["steps"], trained["cpu_minutes"]) == ("connector/vga", 50, 2.0)
    assert trained["within"] and trained["success"] is None
    assert '<video src="data:video/mp4;base64,' in (report / "report.html").read_text()

    before_all = made_at(plan)
    experiment = processes.start(*command)
    expect_exit(experiment)
    assert made_at(plan) == before_all, "nothing was made twice"

    wider = plan_of(processes.folder, TINY.replace("[vga]", "[vga], unseen: [xlr]"))
    assert [stage.label for stage in missing(wider)] == ["connector_xlr"] * 2


def test_a_stopped_experiment_stops_what_it_started(
    processes: Processes, plan: ExperimentPlan
) -> None:
    experiment = processes.start(
        executable("rldg_experiments", "experiment"), "tiny.yaml", "--jobs", "1"
    )
    data = plan.data[0].episodes
    assert isinstance(data, Episodes)
    wait_until(lambda: list((data.artefact / "bags").glob("*")), "an episode")
    os.kill(experiment.pid, signal.SIGINT)
    expect_exit(experiment, 130)
    assert "the same command resumes" in experiment.log.read_text()
    assert processes.pid("actor") is None
    assert note_of(data) is None
