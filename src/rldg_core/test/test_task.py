# SPDX-License-Identifier: Apache-2.0
"""Task definitions: every shipped one is whole, and mistakes are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from rldg_core import task as module
from rldg_core.poses import Pose
from rldg_core.task import Spread, UnknownTask, load_task, named_tasks, task_ids
from rldg_core.user_error import UserError

PAPER = ("connector", "pick_place", "fmb_insertion", "fmb_assembly")


@pytest.mark.parametrize("task_id", task_ids())
def test_every_task_loads(task_id: str) -> None:
    task = load_task(task_id)
    assert task.id == task_id
    assert task.period == pytest.approx(0.1)
    assert task.action_dim == (6 if task.gripper == "closed" else 7)
    assert task.instruction


def test_seen_and_unseen_tasks_are_those_of_the_paper() -> None:
    """Which shapes FMB's specialists never see is ours: the paper has one shape alone."""
    known = {i for i in task_ids() if i.split("/")[0] in PAPER}
    seen = {i for i in known if load_task(i).seen}
    assert seen == {
        *("connector/usb_a", "connector/vga", "connector/ethernet"),
        *("pick_place/pepper", "fmb_insertion/rectangle", "fmb_assembly/rectangle"),
    }
    assert {"pick_place/corn", "connector/usb_c", "connector/xlr"} < known - seen


def test_tasks_are_named_one_by_one_by_family_or_by_what_was_seen() -> None:
    connectors = [name for name in task_ids() if name.startswith("connector/")]
    assert named_tasks("connector/vga,connector/hdmi") == ["connector/vga", "connector/hdmi"]
    assert named_tasks("connector") == connectors
    seen, unseen = named_tasks("connector/seen"), named_tasks("connector/unseen")
    assert all(load_task(name).seen for name in seen) and "connector/vga" in seen
    assert sorted(seen + unseen) == sorted(connectors) and "connector/xlr" in unseen
    assert named_tasks("connector/xlr,connector/unseen") == [
        "connector/xlr",
        *(name for name in unseen if name != "connector/xlr"),
    ], "each once, in the order of its naming"


@pytest.mark.parametrize("name", ["connector/scart", "conector", "connector/sen", "connector/vga,"])
def test_a_name_that_means_no_task_is_refused(name: str) -> None:
    with pytest.raises(UnknownTask, match=r"connector/vga.*/seen or /unseen"):
        named_tasks(name)


@pytest.mark.parametrize(
    ("task_id", "what", "x", "y", "yaw"),
    [
        ("pick_place/pepper", "grasp", 0.18, 0.18, None),
        ("fmb_insertion/rectangle", "goal", 0.35, 0.35, 30.0),
        ("fmb_assembly/rectangle", "grasp", 0.03, 0.07, None),
        ("fmb_assembly/rectangle", "goal", 0.05, 0.05, None),
    ],
)
def test_ranges_are_those_of_the_paper(
    task_id: str, what: str, x: float, y: float, yaw: float | None
) -> None:
    """Full widths in m and degrees; the paper does not tell of the other turns."""
    spread = getattr(load_task(task_id), what).spread
    assert (2 * spread.x, 2 * spread.y) == pytest.approx((x, y))
    if yaw is not None:
        assert np.degrees(2 * spread.yaw) == pytest.approx(yaw, abs=0.1)


@pytest.mark.parametrize("task_id", task_ids())
def test_all_that_an_episode_needs_lies_inside_the_workspace_box(task_id: str) -> None:
    task = load_task(task_id)
    lower, upper, turn = map(np.array, (task.box.lower, task.box.upper, task.box.rotation))

    def inside(pose: Pose, spread: Spread) -> bool:
        here = pose.position - task.goal_pose.position
        half = np.array([spread.x, spread.y, 0.0])
        return bool(np.all(here - half > lower) and np.all(here + half < upper))

    reset = task.reset
    start = task.first_pose @ Pose.from_rotvec([reset.ahead, 0, -reset.height], np.zeros(3))
    assert inside(start, Spread(reset.xy, reset.xy)) and reset.yaw < turn[2]
    for place in filter(None, (task.goal, task.grasp)):
        assert inside(place.pose, place.spread) and place.spread.yaw < turn[2]


def test_specialists_insert_what_people_grasped_and_carried() -> None:
    handovers = {name: load_task(name).handover for name in task_ids()}
    assert {name for name, at in handovers.items() if at} == set(named_tasks("fmb_assembly"))
    assert all(0.0 <= at < load_task(name).success_progress for name, at in handovers.items())


def test_poses_are_drawn_from_their_whole_range() -> None:
    goal = load_task("fmb_insertion/rectangle").goal
    rng = np.random.default_rng(0)
    drawn = [goal.draw(rng) for _ in range(200)]
    away = np.array([pose.position - goal.pose.position for pose in drawn])
    yaws = np.array([pose.relative_to(goal.pose).rotvec for pose in drawn])
    for values, half in ((away[:, 0], 0.175), (away[:, 1], 0.175), (yaws[:, 2], 0.262)):
        assert -half <= values.min() < -0.9 * half and 0.9 * half < values.max() <= half
    assert not away[:, 2].any() and np.abs(yaws[:, :2]).max() < 1e-9


def test_an_unknown_task_lists_those_there_are() -> None:
    with pytest.raises(UnknownTask, match=r"no task 'connector/scart'.*connector/vga"):
        load_task("connector/scart")


def test_a_misspelt_field_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = yaml.safe_load((module.TASKS / "connector.yaml").read_text())
    family["horizn"] = 5
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(family))
    monkeypatch.setattr(module, "TASKS", tmp_path)
    with pytest.raises(UserError, match="horizn"):
        load_task("connector/vga")
