# SPDX-License-Identifier: Apache-2.0
"""Every bag below a folder is found, and of what is none it is said what it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from plain_bags import demonstration
from synthetic_bags import write_bag

from rldg_core import contract
from rldg_core.commands.command_line import UsageError
from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.convert import main as convert
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.finding import DEPTH, find_bags
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts

VGA = StatedFacts(task="connector/vga")


def empty_bag(path: Path) -> Path:
    """What looks like a bag from outside."""
    path.mkdir(parents=True)
    (path / "metadata.yaml").write_text("")
    (path / f"{path.name}.mcap").write_bytes(b"")
    return path


def names(folder: Path) -> list[str]:
    return [str(bag.relative_to(folder)) for bag in find_bags([folder]).bags]


def test_bags_at_any_depth_and_by_themselves(tmp_path: Path) -> None:
    for place in ("a", "day/b", "lab/day/station/c", "runs/first/bags/policy_00000", ".hidden/d"):
        empty_bag(tmp_path / place)
    loose = tmp_path / "loose"
    loose.mkdir()
    for name in ("x.mcap", "y.db3", "z.mcap.zstd", "z_1.db3.zst", "notes.txt", "y.db3-wal"):
        (loose / name).write_bytes(b"x")
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("killed_0.db3", "killed_1.db3", "killed_1.db3-journal", "other.mcap"):
        (killed / name).write_bytes(b"x")
    assert names(tmp_path) == [
        *("a", "day/b", "killed", "killed/other.mcap", "lab/day/station/c"),
        *("loose/x.mcap", "loose/y.db3", "loose/z.mcap.zstd", "loose/z_1.db3.zst"),
        "runs/first/bags/policy_00000",
    ]


def test_a_run_is_its_bags(tmp_path: Path) -> None:
    empty_bag(tmp_path / "bags" / "policy_00000")
    empty_bag(tmp_path / "bags" / ".damaged" / "policy_00001")
    empty_bag(tmp_path / "elsewhere" / "x")
    assert names(tmp_path) == ["bags/policy_00000"]


def test_a_bag_or_a_file_of_it_is_the_bag(tmp_path: Path) -> None:
    bag = empty_bag(tmp_path / "a")
    empty_bag(bag / "nested")
    for given in (bag, bag / "metadata.yaml", bag / "a.mcap"):
        assert find_bags([given]).bags == [bag]


def test_parts_in_a_folder_of_another_name_are_one_recording(tmp_path: Path) -> None:
    """A third of a demonstration is no success of its own."""
    for part, (begin, end) in enumerate(((0.0, 1.5), (1.5, 2.5), (2.5, 4.0))):
        plain = demonstration()
        for topic in (contract.CURRENT_POSE, contract.WRIST_IMAGE, contract.SPACENAV_JOY):
            plain.keep(topic, begin, end)
        written = plain.write(tmp_path / "whole" / f"part_{part}")
        for place, name in (("take", f"rosbag2_{part}.mcap"), ("takes", f"{'abc'[part]}.mcap")):
            (tmp_path / place).mkdir(exist_ok=True)
            shutil.copy(written / f"part_{part}.mcap", tmp_path / place / name)
    assert names(tmp_path / "take") == ["."]
    assert names(tmp_path / "takes") == ["a.mcap", "b.mcap", "c.mcap"]
    recipe = ConversionRecipe(ImageFormat(), {"wrist_camera/color/image_raw": "image"}, VGA)
    episode = recipe.read(tmp_path / "take")
    assert len(episode) == 39
    (tmp_path / "take" / "rosbag2_1.mcap").unlink()  # without it they are two takes of one person
    assert names(tmp_path / "take") == ["rosbag2_0.mcap", "rosbag2_2.mcap"]


def test_links_lead_to_a_bag_once_and_never_in_circles(tmp_path: Path) -> None:
    bag = empty_bag(tmp_path / "data" / "a")
    (tmp_path / "data" / "again").symlink_to(bag)
    (bag.parent / "circle").symlink_to(tmp_path)
    (tmp_path / "data" / "up").symlink_to("..")
    (tmp_path / "data" / "self").symlink_to("self")
    beside = empty_bag(tmp_path / "elsewhere" / "b")
    (tmp_path / "data" / "more").symlink_to(beside.parent)
    found = find_bags([tmp_path / "data"])
    assert [path.resolve() for path in found.bags] == [bag, beside]


def test_a_file_called_metadata_hides_no_bag(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("author: somebody")
    empty_bag(tmp_path / "a")
    assert names(tmp_path) == [".", "a"]


def test_what_lies_too_deep_is_not_searched_for_ever(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["x"] * (DEPTH + 2))
    empty_bag(deep / "a")
    empty_bag(tmp_path / "b")
    assert names(tmp_path) == ["b"]


def test_what_is_no_bag_is_named(tmp_path: Path) -> None:
    for name in ("old.bag", "x.mcap.gz", "y.db3.lz4", "z.bag.active"):
        (tmp_path / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.mcap")
    (tmp_path / "gone.mcap").symlink_to("nowhere")
    found = find_bags([tmp_path])
    assert not found.bags
    said = {path.name: why for path, why in found.others.items()}
    assert set(said) == {path.name for path in tmp_path.iterdir()}
    assert f"rosbags-convert --src {tmp_path / 'old.bag'} --dst old" in said["old.bag"]
    assert "unpack it" in said["x.mcap.gz"] and "no regular file" in said["pipe.mcap"]
    with pytest.raises(UsageError, match="holds no bags"):
        (tmp_path / "nothing").mkdir()
        find_bags([tmp_path / "nothing"])


def test_a_pile_of_everything_converts_what_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pile = tmp_path / "pile"
    for seed in range(2):
        write_bag(pile / "run" / "bags" / f"policy_{seed}", seed, steps=8)
    bag = demonstration(2).write(tmp_path / "elsewhere")
    shutil.copy(bag / "elsewhere.mcap", pile / "third.mcap")
    (pile / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    (pile / "deep" / "er").mkdir(parents=True)
    (pile / "deep" / "er" / "empty.db3").write_bytes(b"")
    os.mkfifo(pile / "deep" / "pipe.mcap")
    out = tmp_path / "data"
    assert convert([str(pile), "--out", str(out), "--recorded", "task=connector/vga"]) == 3
    said = capsys.readouterr().err
    for name, what in (
        ("old.bag", "is a ROS 1 bag"),
        ("empty.db3", "empty.db3 is empty"),
        ("pipe.mcap", "is no regular file"),
    ):
        assert any(name in line and what in line for line in said.splitlines()), said
    assert sum(Dataset(out).lengths.values()) == 3
    assert set(Dataset(out).contract.rejected) == {"pile/old.bag", "er/empty.db3", "deep/pipe.mcap"}
