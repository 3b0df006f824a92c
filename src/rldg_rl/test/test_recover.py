# SPDX-License-Identifier: Apache-2.0
"""Bags that were damaged before anybody closed them: what is whole of them is kept, and nothing is thrown away."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from random_damage import randomly_damaged
from test_bag import START, STEPS, VGA, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import is_complete, messages_of, raw_messages, read_summary
from rldg_core.bags.mcap_file import CHUNK, RECORD
from rldg_rl.episodes.bag import DAMAGED, recover, stored_steps


def killed(folder: Path) -> Path:
    path = folder / "policy_00001"
    write_episode(path, close=False).abort()
    return path


def chunks(data: bytes) -> list[int]:
    """Where the chunks of a file begin."""
    places, place = [], 8
    while place < len(data):
        opcode, length = RECORD.unpack_from(data, place)
        places += [place] if opcode == CHUNK else []
        place += RECORD.size + length
    return places


def change(file: Path, place: int) -> bytes:
    """Flip a byte; returns what was there before."""
    before = file.read_bytes()
    damaged = bytearray(before)
    damaged[place] ^= 0xFF
    file.write_bytes(damaged)
    return before


@pytest.mark.parametrize("part", ["opcode", "length", "long", "size", "data"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_flipped_byte_costs_one_chunk_and_the_original_is_kept(
    tmp_path: Path, number: int, part: str
) -> None:
    path = killed(tmp_path)
    file = path / "policy_00001.mcap"
    whole = list(raw_messages(path))
    offsets = {"opcode": 0, "length": 1, "long": 5, "size": 25, "data": 60}
    before = change(file, chunks(file.read_bytes())[number] + offsets[part])
    damaged = file.read_bytes()
    summary = recover(path)
    kept = [f.read_bytes() for f in (tmp_path / DAMAGED).rglob("*.mcap")]
    if summary is None:
        assert number == 0  # which holds the opening of the episode
        assert kept == [damaged] and not path.exists()
        return
    found = list(raw_messages(path))
    assert all(message in whole for message in found)
    assert is_complete(path) and read_summary(path) == summary
    assert len({step.index for step in messages_of(path, contract.STEP)}) >= STEPS - 1
    if len(found) < len(whole):
        assert kept == [damaged] != [before]


def test_behind_a_gap_nothing_is_experience(tmp_path: Path) -> None:
    path = killed(tmp_path)
    file = path / "policy_00001.mcap"
    change(file, chunks(file.read_bytes())[2] + 25)
    assert recover(path).steps == STEPS - 1
    assert [step.index for step in stored_steps(path, VGA)] == [0, 1]


@pytest.mark.parametrize(
    "content",
    [b"a note of somebody's", b"\0" * 5000, b"\x89MCAP0\r\n" + b"\xff" * 100],
)
def test_what_is_no_bag_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policy_00001"
    path.mkdir()
    (path / "policy_00001.mcap").write_bytes(content)
    assert recover(path) is None and not path.exists()
    (kept,) = (tmp_path / DAMAGED).rglob("*.mcap")
    assert kept.read_bytes() == content


def test_a_renamed_bag_and_one_of_somebody_else_are_moved_aside_each_under_its_name(
    tmp_path: Path,
) -> None:
    for _ in range(3):
        path = killed(tmp_path)
        path.rename(tmp_path / "policy_00009")
        (tmp_path / "policy_00009" / "policy_00001.mcap").rename(
            tmp_path / "policy_00009" / "policy_00009.mcap"
        )
        assert recover(tmp_path / "policy_00009") is None
    names = sorted(path.name for path in (tmp_path / DAMAGED).iterdir())
    assert names == ["policy_00009", "policy_00009_1", "policy_00009_2"]


def test_a_file_without_a_byte_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    path.mkdir()
    (path / "policy_00001.mcap").write_bytes(b"")
    assert recover(path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\0" * 300, None])
def test_a_power_cut_that_took_the_metadata_of_a_closed_bag(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path)
    metadata = path / "metadata.yaml"
    metadata.unlink()
    if content is not None:
        metadata.write_bytes(content)
    assert not is_complete(path)
    assert recover(path).steps == STEPS
    assert is_complete(path) and not (tmp_path / DAMAGED).exists()
    assert messages_of(path, contract.EPISODE)[0].header.stamp.sec == START // 10**9


def test_random_damage_never_raises_and_never_destroys(tmp_path: Path) -> None:
    random = np.random.default_rng(19)
    template = killed(tmp_path / "template")
    data = (template / "policy_00001.mcap").read_bytes()
    for turn in range(60):
        run = tmp_path / f"run_{turn}"
        path = Path(shutil.copytree(template, run / "policy_00001"))
        damaged = randomly_damaged(data, random, turn, longest=40)
        (path / "policy_00001.mcap").write_bytes(damaged)
        summary = recover(path)
        aside = [file.read_bytes() for file in (run / DAMAGED).rglob("*.mcap")]
        assert (summary is not None and is_complete(path)) or aside == [damaged]
        if summary is not None:
            assert len(list(stored_steps(path, VGA))) <= STEPS
