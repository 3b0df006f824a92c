# SPDX-License-Identifier: Apache-2.0
"""Where the arm gets in a task's box."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rldg_core.task import Task, load_task, task_ids
from rldg_robot.doctor.finding import CheckStatus
from rldg_robot.doctor.workspace_check import workspace_findings

TASK = load_task("connector/vga")


@pytest.mark.parametrize("name", sorted({name.split("/")[0] for name in task_ids()}))
def test_the_arm_gets_everywhere_in_our_tasks(name: str) -> None:
    task = load_task(next(each for each in task_ids() if each.startswith(name)))
    (finding,) = workspace_findings(task)
    assert finding.status is CheckStatus.GOOD, finding


def moved(x: float, y: float, z: float) -> Task:
    """The same task elsewhere."""
    return replace(TASK, goal=replace(TASK.goal, position=(x, y, z)))


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ((0.80, 0.0, 0.1), r"does not reach \(0\."),
        ((0.25, 0.0, 0.3), r"joint 4 at .* beyond its limit"),
        ((0.20, 0.0, 0.1), r"fr3_link2 and fr3_link5 touch at \(0\.200"),
    ],
)
def test_unreachable_places_are_reported(place: tuple[float, float, float], found: str) -> None:
    (finding,) = workspace_findings(moved(*place))
    assert finding.status is CheckStatus.BAD, finding
    assert re.search(found, finding.found), finding.found
    assert "`box` of the task's YAML" in finding.fix
