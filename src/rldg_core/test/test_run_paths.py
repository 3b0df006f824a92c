# SPDX-License-Identifier: Apache-2.0
"""The paths of a run, which runs on disk already have."""

from __future__ import annotations

from pathlib import Path

from rldg_core.run_paths import RunPaths, bags_below

ON_DISK = {
    "arguments": "arguments.yaml",
    "config": "config.yaml",
    "logs": "logs",
    "gate_stop": "logs/gate_stopped.json",
    "bags": "bags",
    "learner_checkpoint": "checkpoints/learner.safetensors",
    "policy_checkpoint": "checkpoints/policy.safetensors",
    "encoder_fit": "checkpoints/encoder.json",
    "student": "checkpoints/student",
    "student_training": "checkpoints/training.safetensors",
    "tensorboard": "tensorboard",
    "videos": "videos",
    "records": "episodes.jsonl",
    "summary": "summary.json",
    "wall_time": "wall_seconds.json",
    "resets": "resets.json",
    "false_firings": "false_firings.json",
    "replay_report": "replay.json",
    "evaluations": "evaluations",
}


def test_paths_stay_where_runs_have_them() -> None:
    run = RunPaths(Path("runs/a"))
    named = {name for name, value in vars(RunPaths).items() if isinstance(value, property)}
    assert named == {*ON_DISK, "is_evaluation", "policies"}
    for name, place in ON_DISK.items():
        assert getattr(run, name) == Path("runs/a", place)


def test_an_evaluation_lies_below_its_run() -> None:
    run = RunPaths(Path("runs/a"))
    assert RunPaths(run.evaluations / "sharp").is_evaluation and not run.is_evaluation


def test_bags_of_a_run_or_of_a_folder(tmp_path: Path) -> None:
    assert bags_below(tmp_path) == tmp_path
    (tmp_path / "bags").mkdir()
    assert bags_below(tmp_path) == tmp_path / "bags"
