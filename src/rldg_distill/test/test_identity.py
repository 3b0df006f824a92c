# SPDX-License-Identifier: Apache-2.0
"""A bag is its messages: not its name, nor the place where it lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from plain_bags import demonstration
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from synthetic_bags import write_bag, write_run

from rldg_distill.convert import main as convert
from rldg_distill.dataset import main as dataset
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.identity import bag_name, base_name, identify

TASK = ["--recorded", "task=connector/vga"]


def names(data: Path) -> list[str]:
    return sorted(e.metadata.bag for s in Dataset(data).shards for e in Dataset(data).episodes(s))


def two_days(folder: Path) -> list[str]:
    """The same names on two days, other demonstrations."""
    for day, first in (("monday", 0), ("tuesday", 10)):
        for seed in range(2):
            write_bag(folder / day / "demos" / f"episode_{seed}", first + seed, steps=30)
    return [str(folder / "monday" / "demos"), str(folder / "tuesday" / "demos")]


def test_equal_names_are_no_duplicates_and_no_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = two_days(tmp_path)
    out = tmp_path / "data"
    assert convert([*bags, "--out", str(out)]) == 0
    found = names(out)
    assert len(set(found)) == 4
    assert sorted(map(base_name, found)) == ["demos/episode_0"] * 2 + ["demos/episode_1"] * 2
    assert dataset(["validate", str(out), "--bags", *bags]) == 0
    assert dataset(["validate", str(out), "--bags", bags[0]]) == 3
    capsys.readouterr()
    moved = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}_moved")
    again = [str(moved / "tuesday" / "demos"), str(moved / "monday" / "demos")]
    assert convert([*again, "--out", str(moved / "data"), "--overwrite"]) == 0
    assert names(moved / "data") == found, "wherever they lie"
    shards = [
        [f.read_bytes() for f in sorted((p / "1.0.0").glob("*.tfrecord*"))]
        for p in (out, moved / "data")
    ]
    assert shards[0] == shards[1]


@pytest.mark.parametrize("count", ["2", "3", "4"])
def test_counts_with_equal_names(tmp_path: Path, count: str) -> None:
    for place, task in (("a", "connector/vga"), ("b", "connector/usb_a")):
        for seed in range(2):
            bag = demonstration(seed)
            bag.custom = {"task": task}
            bag.write(tmp_path / place / "demos" / f"episode_{seed}")
    bags = [str(tmp_path / place / "demos") for place in "ab"]
    assert convert([*bags, "--out", str(tmp_path / "data"), "--count", count]) == 0
    assert len(names(tmp_path / "data")) == int(count)


def test_a_recording_in_two_places_or_storages_counts_once_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = tmp_path / "bags"
    for seed in range(2):
        demonstration(seed).write(bags / f"demo_{seed}")
    shutil.copytree(bags / "demo_0", bags / "copy_of_demo_0")
    demonstration(1).write(bags / "as_sqlite", StoragePlugin.SQLITE3)
    demonstration(1).write(bags / "packed", StoragePlugin.MCAP, CompressionMode.FILE)
    out = tmp_path / "data"
    assert convert([str(bags), "--out", str(out), *TASK]) == 0
    assert len(names(out)) == 2
    said = capsys.readouterr().err
    assert f"{bags / 'demo_0'} is the same recording as {bags / 'copy_of_demo_0'}" in said
    assert said.count("is the same recording as") == 3


def test_names_of_one_recording_each_are_as_they_were(tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", count=4, steps=5)
    found = identify(dict.fromkeys(sorted((run / "bags").iterdir()), "connector/vga"))
    assert not found.twins and not found.contents
    assert convert([str(run), "--out", str(tmp_path / "data")]) == 0
    assert names(tmp_path / "data") == [f"first/policy_{i:05d}" for i in range(4)]


def test_bags_that_cannot_be_read_are_duplicates_of_none(tmp_path: Path) -> None:
    paths = []
    for place in ("a", "b"):
        path = tmp_path / place / "bag"
        path.mkdir(parents=True)
        (path / "bag.mcap").write_bytes(b"nothing")
        paths.append(path)
    found = identify(dict.fromkeys(paths, ""))
    assert not found.twins
    assert len({found.name(path) for path in paths}) == 2
    assert bag_name(paths[0]) == "a/bag"


def test_rejected_bags_of_one_name_are_all_in_the_contract(tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", count=2, steps=5)
    for seed, place in enumerate(("a", "b")):
        write_bag(tmp_path / place / "x" / "bad", seed, steps=3, ended=False)
    arguments = [str(run), str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "d")]
    assert convert([*arguments]) == 3
    assert len(Dataset(tmp_path / "d").contract.rejected) == 2
