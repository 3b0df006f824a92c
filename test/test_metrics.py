# SPDX-License-Identifier: Apache-2.0
"""docs/reference/metrics.md has a row for every number that is logged or reported, and no other."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from synthetic_data import small

from rldg_core.arm_spaces import ARM
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import Source
from rldg_distill import distill
from rldg_distill.students import registry
from rldg_distill.training import student_report, trainer
from rldg_distill.training.held_out import error_units
from rldg_rl.acting.collection import Collection, CollectionPlan
from rldg_rl.acting.schedule import PHASES, RunPlan, RunProgress
from rldg_rl.agent.agent import Agent
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes import announcer
from rldg_rl.episodes.replay_buffer import TransitionBatch
from rldg_rl.evaluation.paired import MeanDifference, PairedComparison, ThroughputDifference
from rldg_rl.evaluation.results import Record
from rldg_rl.monitor import MonitorState
from rldg_rl.report import summarize_collection, summarize_run
from rldg_rl.vision.encoder_training import Fit

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
TASKS = ("connector/vga", "connector/hdmi")  # one is seen, one is not


def documented(heading: str, table: int = 0) -> set[str]:
    """Names in the first column of a table below a heading."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"((?:^\|.*\n)+)", section, re.MULTILINE)[table].splitlines()[2:]
    assert all(row.count("|") == 5 and "||" not in row for row in rows)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def keys_written(file: Path, function: str) -> set[str]:
    """Constant keys of the dictionaries that a function of a file makes or extends."""
    tree = ast.parse(file.read_text())
    (found,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
    keys: list[Any] = []
    for node in ast.walk(found):
        if isinstance(node, ast.Dict):
            keys += node.keys
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys.append(node.slice)
    return {key.value for key in keys if isinstance(key, ast.Constant)}


def flat(content: dict[str, Any], prefix: str = "") -> set[str]:
    """Names with a point between levels."""
    names: set[str] = set()
    for name, value in content.items():
        inside = isinstance(value, dict) and name in ("evaluation", "resets", "reward", "cycle")
        names |= flat(value, f"{prefix}{name}.") if inside else {prefix + name}
    return names


def test_nothing_else_writes_scalars() -> None:
    files = [*ROOT.glob("src/*/rldg_*/**/*.py")]
    assert {file.name for file in files if ".add_scalar(" in file.read_text()} == {
        "announcer.py",
        "event_file.py",  # hands on what the others add
        "learner_files.py",
        "trainer.py",
    }


def test_the_learners_scalars() -> None:
    rows, zeros = 4, np.zeros(4, np.float32)
    observation = np.zeros((rows, 3), np.float32)
    batch = TransitionBatch(
        observation, np.zeros((rows, 3), np.float32), zeros, observation, zeros, zeros
    )
    agent = Agent(AgentConfig(hidden=(8,), batch_size=rows), 3, 3, seed=0, grasp_penalty=0.0)
    assert documented("Learner") == {f"learner/{name}" for name in agent.update(batch)}


def test_the_actors_scalars() -> None:
    names = keys_written(Path(announcer.__file__), "outcome")
    assert documented("Actor") == {f"<phase>/{name}" for name in names}
    phases = {
        *PHASES.values(),
        Collection(CollectionPlan(TASKS, Source.DEMONSTRATION, 1)).phase(""),
    }
    assert [phase for phase in phases if f"`{phase}`" not in PAGE.read_text()] == []


def test_the_numbers_of_the_live_view() -> None:
    types = get_type_hints(MonitorState)
    assert documented("Live view") == {name for name, kind in types.items() if kind is not str}


def test_the_summary_of_a_run() -> None:
    episode = EpisodeSummary("x_0", Source.DEMONSTRATION, "success", TASKS[0], 0, 40, 0, 4.0)
    progress = RunProgress(RunPlan(TASKS), [episode])
    records = [Record(task, 0, 0, True, 1.0, 10, 1.0, 1.0, None) for task in TASKS]
    collection = Collection(CollectionPlan(TASKS, Source.DEMONSTRATION, 1), [episode])
    written = flat(summarize_run(0, progress, records, 0, 0.0))
    written |= flat(summarize_collection(0, collection, 0.0))
    rl = ROOT / "src/rldg_rl/rldg_rl"
    for name, file, function in (
        ("resets", "environment/reset_count.py", "summarize_resets"),
        ("reward", "report.py", "judged_by"),
    ):
        written |= {f"{name}.{key}" for key in keys_written(rl / file, function) - {name}}
    written |= keys_written(rl / "evaluation/evaluator.py", "report")
    assert documented("Summary of a run") == written


def test_the_records_and_comparisons_of_evaluations() -> None:
    assert documented("Evaluation episodes") == {field.name for field in fields(Record)}
    parts = {
        "cycle": MeanDifference,
        "successes_per_10_minutes": ThroughputDifference,
        "peak_force_per_success": MeanDifference,
    }
    names = {field.name for field in fields(PairedComparison)} - set(parts)
    for part, kind in parts.items():
        names |= {f"{part}.{field.name}" for field in fields(kind)}
    assert documented("Comparisons") == names


def test_what_an_image_encoder_reports() -> None:
    assert documented("Image encoder") == {field.name for field in fields(Fit)}


def test_the_parts_of_the_students_losses() -> None:
    parts: set[str] = set()
    students = ROOT / "src/rldg_distill/rldg_distill/students"
    own = [students / name / "student.py" for name in registry.names()]
    for file in (*own, students / "gaussian.py"):
        for function in re.findall(r"def (\w*loss)\(", file.read_text()):
            parts |= keys_written(file, function)
    parts -= {"teacher_kl", "teacher_expected"}  # kinds of losses
    assert documented("Distillation", table=1) == parts - {"loss"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few updates."""
    folder = tmp_path_factory.mktemp("metrics")
    data = small(folder / "data" / "steps")
    options = ["--student", "cnn", "--name", "few", "--runs", str(folder / "runs")]
    few = ["--steps", "2", "--log-every", "1", "--batch-size", "4", "--device", "cpu"]
    assert distill.main([str(data), *options, *few]) == 0
    return folder / "runs" / "few"


def test_the_scalars_and_the_summary_of_a_distillation(trained: Path) -> None:
    run = student_report.StudentRun(trained)
    names = {name for line in run.lines() for name, _ in trainer._flat(line)}
    parts = documented("Distillation", table=1)
    names = {name for name in names if name.split("/")[-1] not in parts or "error" in name}
    dimensions = list(error_units(ARM.action))
    assert [name for name in dimensions if f"`{name}`" not in PAGE.read_text()] == []
    for name in dimensions:
        names = {found.replace(f"error/{name}", "error/<dimension>") for found in names}
    assert documented("Distillation") == names
    written = keys_written(Path(student_report.__file__), "summarize_training")
    assert documented("Summary of a distillation") == written
