# SPDX-License-Identifier: Apache-2.0
"""The set-up's file: what it says, and what the tasks make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rldg_robot.arm.site_file import VARIABLE, Site, site
from rldg_robot.task import Spread, load_task
from rldg_robot.user_error import UserError

TAUGHT = """
robot_ip: 172.16.0.2
collision: {force: 70.0}
load: {mass: 0.04, com: [0.0, 0.0, 0.11]}
goals:
  fmb_insertion/rectangle: {position: [0.46, 0.02, 0.1], quaternion: [1.0, 0.0, 0.0, 0.0]}
"""


def at(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path.write_text(text)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_without_a_file_it_is_the_simulator() -> None:
    assert site() == Site() and site().simulated


def test_a_taught_goal_takes_the_place_of_the_tasks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = load_task("fmb_insertion/rectangle")
    assert drawn.goal.spread != Spread()
    at(tmp_path / "site.yaml", TAUGHT, monkeypatch)
    here = site()
    assert here.collision.force == 70.0 and here.load.mass == 0.04 and not here.simulated
    taught = load_task("fmb_insertion/rectangle")
    assert taught.goal.spread == Spread()
    assert np.allclose(taught.goal_pose.position, [0.46, 0.02, 0.1])
    assert load_task("connector/vga").goal_pose.position[0] == 0.5


NO_SETUPS = [
    *("robot_pi: 1.2.3.4", "load: {mass: heavy}", "- a list", "a: [", "load: {mass:}"),
    *("load: {mass: -1.0}", "collision: {force: -80.0}", "collision: {torque: .nan}"),
    *(
        f"goals: {{connector/vga: {{position: {position}, quaternion: {quaternion}}}}}"
        for position, quaternion in (
            ("0.5", "[0.0, 0.0, 0.0, 1.0]"),
            ("[.nan, 0.0, 0.1]", "[0.0, 0.0, 0.0, 1.0]"),
            ("[0.5, 0.0, 0.1]", "[0.0, 0.0, 0.0, 0.0]"),
            ("[0.5, 0.0, 0.1]", "[0.0, 0.0, 0.0, 2.0]"),
        )
    ),
]


def test_a_goal_of_no_task_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TAUGHT.replace("fmb_insertion/rectangle", "connector/VGA")
    at(tmp_path / "site.yaml", text, monkeypatch)
    with pytest.raises(UserError, match=r"connector/VGA.*There are: .*connector/vga"):
        load_task("connector/vga")


@pytest.mark.parametrize("text", NO_SETUPS)
def test_a_file_that_is_no_set_up_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = at(tmp_path / "site.yaml", text, monkeypatch)
    with pytest.raises(UserError, match=r"site\.yaml cannot be used"):
        site()
    path.unlink()
