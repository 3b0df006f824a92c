# SPDX-License-Identifier: Apache-2.0
"""A recorder mends its own bags and touches nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from test_bag import STEPS, VGA, write_episode

from rldg_rl.episodes.bag import DAMAGED, stored_steps
from rldg_rl.episodes.mending import mend_bags
from rldg_rl.run_folder import RunFolder, is_episode, is_whole

NAME = "policy_00000"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """One whole bag, and one of an episode that a kill ended."""
    run = RunFolder(tmp_path / "run")
    run.prepare()
    write_episode(run.bags / NAME)
    write_episode(run.bags / "policy_00001", close=False).abort()
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def foreign_recording(bags: Path, name: str, file: str) -> None:
    """As `ros2 bag record` leaves it when it is killed: no metadata."""
    (bags / name).mkdir()
    (bags / name / file).write_bytes(os.urandom(3000))


def strangers(bags: Path) -> list[str]:
    """Puts everything among the bags that no recorder of this project put there."""
    (bags / "notes").mkdir()
    (bags / "notes" / "monday.txt").write_text("the plug was bent")
    foreign_recording(bags, "rosbag2_2024_05_12-10_00_00", "rosbag2_2024_05_12-10_00_00_0.mcap")
    foreign_recording(bags, "policy_00003", "policy_00003_0.mcap")
    foreign_recording(bags, "mine", "mine.mcap")
    shutil.copytree(bags / "policy_00001", bags / "policy_00001_old")
    shutil.copytree(bags / "policy_00001", bags / "policy_00004")  # renamed, and never closed
    shutil.copytree(bags / NAME, bags / f"{NAME} (copy)")
    shutil.copytree(bags / NAME, bags / "policy_00005")  # a copy under a name of its own
    (bags / "policy_00006").write_text("a file")
    (bags / "policy_00007").symlink_to(bags / "notes")
    (bags / "policy_00008").symlink_to(bags / "nowhere")
    (bags / "policy_x").mkdir()
    (bags / "readme.md").write_text("")
    return sorted(
        entry.name for entry in bags.iterdir() if entry.name not in (NAME, "policy_00001")
    )


def test_only_what_is_ours_is_mended(run: RunFolder) -> None:
    names = strangers(run.bags)
    before = {name: contents(run.bags / name) for name in names}
    whole = contents(run.bags / NAME)

    mended, left = mend_bags(run)

    assert mended == f"policy_00001 was never closed, or is damaged: recovered {STEPS} steps"
    assert "left alone" in left and "'notes'" in left and f"and {len(names) - 10} more" in left
    assert {name: contents(run.bags / name) for name in names} == before
    assert (run.bags / "policy_00008").is_symlink()
    assert contents(run.bags / NAME) == whole
    assert not (run.bags / DAMAGED).exists()
    assert [e.episode_id for e in run.episodes()] == [NAME, "policy_00001"]
    assert len(list(stored_steps(run.bags / "policy_00001", VGA))) == STEPS
    assert run.next_episode_number("policy") == 9
    assert list(mend_bags(run)) == [left]


@pytest.mark.parametrize("damage", ["empty", "zeros", "half", "no", "garbage", "tail", "list"])
def test_damaged_metadata_is_made_anew(run: RunFolder, damage: str) -> None:
    list(mend_bags(run))
    metadata = run.bags / NAME / "metadata.yaml"
    text = metadata.read_bytes()
    damaged = {
        "empty": b"",
        "zeros": bytes(len(text)),
        "half": text[: len(text) // 3],
        "garbage": b"\xff\xfe{[" + text[4:],
        "tail": text[:4096] + bytes(len(text) - 4096),
        "list": b"- 1\n",
    }
    if damage == "no":
        metadata.unlink()
    else:
        metadata.write_bytes(damaged[damage])

    (message,) = mend_bags(run)

    assert message == f"{NAME} was never closed, or is damaged: recovered {STEPS} steps"
    assert is_whole(run.bags / NAME)
    assert [e.episode_id for e in run.episodes()] == [NAME, "policy_00001"]


@pytest.mark.parametrize("damage", ["empty", "zeros", "half", "no"])
def test_a_lost_file_is_put_aside_and_what_is_left_of_one_kept(run: RunFolder, damage: str) -> None:
    list(mend_bags(run))
    file = run.bags / NAME / f"{NAME}.mcap"
    data = file.read_bytes()
    if damage == "no":
        file.unlink()
    else:
        file.write_bytes(
            {"empty": b"", "zeros": bytes(9000), "half": data[: len(data) // 2]}[damage]
        )
    before = contents(run.bags / NAME)

    (message,) = mend_bags(run)

    if damage == "half":
        assert is_whole(run.bags / NAME) and "recovered" in message
        return
    assert "recovered nothing; see" in message and DAMAGED in message
    assert contents(run.bags / DAMAGED / NAME) == before
    assert [e.episode_id for e in run.episodes()] == ["policy_00001"]


def test_an_episode_that_died_before_its_first_step_leaves_no_trouble(run: RunFolder) -> None:
    (run.bags / "policy_00002").mkdir()
    (run.bags / "policy_00003").mkdir()
    (run.bags / "policy_00003" / "policy_00003.mcap").touch()

    messages = list(mend_bags(run))

    assert len(messages) == 3
    assert sorted(bag.name for bag in run.own_bags()) == [NAME, "policy_00001"]


@pytest.mark.parametrize("file", ["metadata.yaml", f"{NAME}.mcap"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_file_is_left_alone_and_not_waited_for(
    run: RunFolder, file: str, kind: str
) -> None:
    list(mend_bags(run))
    place = run.bags / NAME / file
    place.unlink()
    make = {"folder": place.mkdir, "pipe": lambda: os.mkfifo(place)}
    make.get(kind, lambda: place.symlink_to("nowhere"))()

    (message,) = mend_bags(run)

    assert message.startswith("left alone") and NAME in message
    assert place.is_symlink() or place.exists()
    assert [e.episode_id for e in run.episodes()] == ["policy_00001"]
    assert run.wall_seconds() == 0.0


def test_a_link_to_an_episode_is_read_and_never_written(run: RunFolder, tmp_path: Path) -> None:
    (run.bags / "policy_00001").rename(tmp_path / "policy_00001")
    (run.bags / NAME).rename(tmp_path / NAME)
    for name in (NAME, "policy_00001"):
        (run.bags / name).symlink_to(tmp_path / name)
    before = contents(tmp_path)

    (message,) = mend_bags(run)

    assert (
        "left alone" in message
        and "'policy_00001'" in message
        and NAME not in message.partition(":")[2]
    )
    assert contents(tmp_path) == before
    assert [e.episode_id for e in run.episodes()] == [NAME]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("policy_00000", True),
        ("demonstration_123456", True),
        ("evaluation_00001", True),
        ("replay_policy_00000", True),
        ("replay_my+run.1", True),
        ("../policy_00000", False),
        ("replay_../../x", False),
        ("policy_00000/../../x", False),
        ("policy_00000\n", False),
        ("policy_", False),
        ("policy_00000 (copy)", False),
        ("policy_٣", False),
        ("policy_9999999999", False),
        (".policy_00000", False),
        ("/etc", False),
        ("", False),
        ("replay_" + "x" * 200, False),
    ],
)
def test_which_names_are_episodes(name: str, is_one: bool) -> None:
    assert is_episode(name) == is_one
