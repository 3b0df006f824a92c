# SPDX-License-Identifier: Apache-2.0
"""Task definitions: every shipped one is whole, and mistakes are told."""

from __future__ import annotations

from pathlib import Path

import dacite
import pytest
import yaml

from rldg_robot import task as module
from rldg_robot.task import UnknownTask, load_task, named_tasks, task_ids


@pytest.mark.parametrize("task_id", task_ids())
def test_every_task_loads(task_id: str) -> None:
    task = load_task(task_id)
    assert task.id == task_id
    assert task.period == pytest.approx(0.1)
    assert task.action_dim == 6
    assert task.instruction


def test_seen_and_unseen_connectors_are_those_of_the_paper() -> None:
    seen = {i for i in task_ids() if load_task(i).seen}
    assert seen == {"connector/usb_a", "connector/vga", "connector/ethernet"}
    assert set(task_ids()) - seen == {
        f"connector/{name}" for name in ("usb_c", "hdmi", "displayport", "xlr")
    }


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
def test_a_name_that_means_no_task_is_told(name: str) -> None:
    with pytest.raises(UnknownTask, match=r"connector/vga.*/seen or /unseen"):
        named_tasks(name)


def test_starts_lie_inside_the_workspace_box() -> None:
    task = load_task("connector/vga")
    assert task.reset.xy < task.box.upper[0]
    assert task.reset.height < task.box.upper[2]
    assert task.reset.yaw < task.box.rotation[2]


def test_an_unknown_task_lists_those_there_are() -> None:
    with pytest.raises(UnknownTask, match=r"no task 'connector/scart'.*connector/vga"):
        load_task("connector/scart")


def test_a_misspelt_field_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = yaml.safe_load((module.TASKS / "connector.yaml").read_text())
    family["horizn"] = 5
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(family))
    monkeypatch.setattr(module, "TASKS", tmp_path)
    with pytest.raises(dacite.UnexpectedDataError, match="horizn"):
        load_task("connector/vga")
