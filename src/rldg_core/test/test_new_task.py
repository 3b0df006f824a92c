# SPDX-License-Identifier: Apache-2.0
"""docs/how-to/new-task.md does what it says: its blocks make tasks that can be solved."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waypoints import live

from rldg_core import task
from rldg_robot.simulation import scenes
from rldg_robot.simulation.film import Film
from rldg_robot.simulation.twin import Twin

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "new-task.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page, followed in a copy of the tasks."""
    shutil.copytree(task.TASKS, tmp_path / "tasks")
    monkeypatch.setattr(task, "TASKS", tmp_path / "tasks")
    names = re.findall(r"`tasks/(\w+\.yaml)`", PAGE.read_text())
    for name, text in zip(names, blocks("yaml"), strict=True):
        (tmp_path / "tasks" / name).write_text(text)
    monkeypatch.setattr(scenes, "SCENES", dict(scenes.SCENES))
    module: dict[str, Any] = {"SCENES": scenes.SCENES, "__name__": "touch"}
    for text in blocks("python"):
        exec(compile(text, str(PAGE), "exec"), module)


@pytest.mark.parametrize(
    "task_id", ["near_insertion/hexagon", "near_insertion/circle", "touch/coin"]
)
def test_its_tasks_can_be_solved(followed: None, task_id: str) -> None:
    assert task_id in task.task_ids()
    twin = Twin(task.load_task(task_id), image_size=96)
    for seed in range(5):
        steps = list(live(twin, seed))
        assert twin.success and len(steps) > 3
    before = twin.image()
    twin.reset(3, randomize=True)
    assert np.abs(twin.image().astype(int) - before).mean() > 5
    film = Film(twin.task, 96, shadows=False)
    assert film.frame(twin.joint_positions, twin.objects).std() > 10
    film.close()
    twin.close()


def test_it_names_every_kind_of_scene_and_every_part_of_one() -> None:
    text = PAGE.read_text()
    for kind in scenes.SCENES:
        assert f"| `{kind}` |" in text
    for part in ("tool", "add", "draw", "place", "waypoint", "progress"):
        assert f"| `{part}` |" in text
