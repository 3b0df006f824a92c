# SPDX-License-Identifier: Apache-2.0
"""Every example runs as its first lines say, and is short."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from synthetic_data import small

from rldg_distill.students import registry

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(file.stem for file in EXAMPLES.glob("*.py"))


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_scripted_actions_solve_the_task_and_random_ones_do_not() -> None:
    robot_env = example("robot_env")
    assert robot_env.main([]) == 1.0
    assert robot_env.main(["--actions", "random"]) == 0.0


def test_a_dataset_is_read_by_episode_and_in_batches(tmp_path: Path, capsys) -> None:
    data = small(tmp_path / "data" / "steps")  # episodes of 1 to 8 steps: 36 steps
    assert example("read_dataset").main([str(data)]) == (8, 2)
    printed = capsys.readouterr().out
    assert "run/00007: connector/vga, policy, 8 steps, images (32, 32, 3)" in printed
    assert "'image': (4, 32, 32, 3), 'state': (4, 19), 'action': (4, 7)" in printed


def test_a_students_own_code_is_trained_by_distill(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})
    data = small(tmp_path / "data" / "steps")
    runs = tmp_path / "runs"
    options = ["--name", "linear", "--runs", str(runs), "--steps", "40", "--log-every", "10"]
    module = example("own_student")
    assert module.main([str(data), *options, "--device", "cpu"]) == 0
    lines = (runs / "linear" / "metrics.jsonl").read_text().splitlines()
    losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
    assert len(losses) == 4 and losses[-1] < losses[0]
    student = registry.load_student(runs / "linear" / "checkpoints" / "student")
    assert type(student) is module.LinearStudent


def test_a_name_that_is_taken_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})
    kind = example("own_student").LinearStudent
    registry.register(kind)
    registry.register(kind)
    assert "linear" in registry.names()
    with pytest.raises(ValueError, match="'cnn' already"):
        registry.register(type("Other", (kind,), {"name": "cnn"}))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_and_listed(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    assert len(text.splitlines()) < 80
    assert f"python examples/{name}.py" in text, "the command that runs it"
    assert f"[{name}.py]({name}.py)" in (EXAMPLES / "README.md").read_text()
