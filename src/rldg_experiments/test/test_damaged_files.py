# SPDX-License-Identifier: Apache-2.0
"""What an experiment reads of others' work, damaged: YAML, notes, summaries, episodes. One error comes out."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from damaged import damage_json, damaged_json

from rldg_core.files.checked_file import parse_json, read_json
from rldg_core.user_error import UserError
from rldg_experiments.command_line import main
from rldg_experiments.evaluation import outcomes
from rldg_experiments.experiment import EXPERIMENTS, ExperimentError, load
from rldg_experiments.results import Collected, Trained
from rldg_experiments.store import NOTE, Note

EPISODE = {
    "task": "connector/vga",
    "success": True,
    "seconds": 3.5,
    "peak_force": 9.0,
    "number": 0,
    "failure": None,
    "bag": "evaluation_00000",
}


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A student's options are another file's to test, and import what takes seconds."""
    monkeypatch.setattr("rldg_experiments.experiment._understood", lambda called, settings: None)


def test_experiments_of_another_shape(tmp_path: Path) -> None:
    sound = yaml.safe_load((EXPERIMENTS / "demo.yaml").read_text())
    rng = random.Random(0)
    path = tmp_path / "own.yaml"
    for _ in range(200):
        damage_json(rng, path, sound)  # JSON is YAML
        with suppress(ExperimentError):
            load(str(path))


@pytest.mark.parametrize("name", ["../../x", "a/b", ".x", ""])
def test_a_students_name_leads_nowhere(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps({"base": "demo", "students": {name: {"student": "cnn"}}}))
    assert main([str(path), "--plan"]) == 2
    said = capsys.readouterr().err
    assert "cannot be" in said and len(said.splitlines()) == 1


def test_notes_and_summaries_of_another_shape(tmp_path: Path) -> None:
    note = Note("key", "command", 3.0, False, "code", "today", 2.0)
    figures = {"episodes": 3, "successes": 2, "mean_cycle_seconds": 4.5}
    rng = random.Random(1)
    for kind, sound in (
        (Note, vars(note)),
        (Collected, {"tasks": {"connector/vga": figures}, "seed": 0}),
        (Trained, {"steps": 100, "task": "connector/vga"}),
    ):
        for _ in range(150):
            damage_json(rng, tmp_path / NOTE, sound)
            with suppress(UserError):
                assert isinstance(read_json(tmp_path / NOTE, kind), kind)
    with pytest.raises(UserError, match="connector/vga"):
        parse_json('{"tasks": {"connector/vga": {"episodes": "x"}}}', Collected, "summary")


def test_episodes_of_another_shape(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    rng = random.Random(2)
    for _ in range(150):
        path.write_text(f"{json.dumps(EPISODE)}\n{damaged_json(rng, EPISODE)}\n")
        with suppress(UserError):
            assert len(outcomes(tmp_path)) == 2
    lines: tuple[Any, ...] = ("", "\0\0\0\0", "[]\n")
    for text in lines:
        path.write_text(text)
        with pytest.raises(UserError, match="it is evaluated again"):
            outcomes(tmp_path)
