# SPDX-License-Identifier: Apache-2.0
"""A run's folder: made once, resumed by name, refused where it cannot serve."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rldg_core.files.atomic_file import write_atomically
from rldg_rl.run_folder import RunFolder, RunFolderError

CONFIG = {"task": "connector/vga", "observation": "state", "seed": 0}


def test_a_run_remembers_its_configuration_and_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "a")
    run.prepare()
    run.settle_config(CONFIG)
    run.keep_wall_seconds(12.34)
    again = RunFolder(tmp_path / "runs" / "a")
    again.settle_config(CONFIG)
    assert again.wall_seconds() == 12.3
    assert again.episodes() == []


def test_a_run_of_another_task_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.prepare()
    run.settle_config(CONFIG)
    with pytest.raises(
        RunFolderError, match=r"task:=connector/vga, not connector/usb_a.*another name"
    ):
        run.settle_config({**CONFIG, "task": "connector/usb_a"})


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"cannot write.*runs:=<folder>"):
        RunFolder(tmp_path / "file" / "a").prepare()


def test_numbers_go_on_after_those_that_were_taken(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.prepare()
    assert run.next_episode_number("policy") == 0
    for name in ("policy_00000", "policy_00007", "evaluation_00009"):
        (run.bags / name).mkdir()
    assert run.next_episode_number("policy") == 8


def test_a_file_is_replaced_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["x.json"]
