# SPDX-License-Identifier: Apache-2.0
"""What the files of a bag hold is read, whatever is said of them; and what is lost is said."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
import zstandard
from mcap.writer import CompressionType, Writer
from plain_bags import IMAGE, POSE, demonstration
from random_damage import randomly_damaged
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from rldg_distill.convert import main as convert
from rldg_distill.datasets.episode import BadBag
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.bag_storage import (
    every_message,
    files_of,
    remarks,
    span_of,
    topics,
)
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts, find_foreign, is_foreign

VGA = StatedFacts(task="connector/vga")
Rows = list[tuple[str, int, bytes]]
MCAP, DB3 = StoragePlugin.MCAP, StoragePlugin.SQLITE3


def plain(
    path: Path,
    plugin: StoragePlugin = MCAP,
    mode: CompressionMode = CompressionMode.NONE,
    **custom: str,
) -> Path:
    """A bag of a second: 200 poses, 30 pictures, 100 pushes."""
    bag = demonstration(seconds=1.0)
    bag.custom = custom
    return bag.write(path, plugin, mode)


def read(path: Path) -> Rows:
    return list(every_message(path))


def refused(path: Path) -> str:
    with pytest.raises(BadBag) as error:
        read(path)
    return str(error.value)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return read(plain(tmp_path_factory.mktemp("truth") / "plain"))


def about(bag: Path, **changes: Any) -> None:
    """Change what `metadata.yaml` says; a change may be a function of what was there."""
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    found = content["rosbag2_bagfile_information"]
    for name, value in changes.items():
        found[name] = value(found[name]) if callable(value) else value
    file.write_text(yaml.safe_dump(content))


def counted(number: int) -> Callable[[Any], Any]:
    return lambda entries: [entry | {"message_count": number} for entry in entries]


def renamed(bag: Path) -> None:
    next(bag.glob("*.mcap")).rename(bag / "insert_the_plug.mcap")


def profiled(bag: Path) -> None:
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes().replace(b"\x04\0\0\0ros2", b"\x04\0\0\0ros1", 1))


@pytest.mark.parametrize(
    "change",
    [
        renamed,
        profiled,
        lambda bag: about(bag, storage_identifier=""),
        lambda bag: about(bag, storage_identifier="sqlite3"),
        lambda bag: about(bag, version=10),
        lambda bag: about(bag, compression_mode="FILE", compression_format="zstd"),
        lambda bag: about(bag, topics_with_message_count=counted(0), message_count=0),
        lambda bag: about(bag, topics_with_message_count=[]),
        lambda bag: about(bag, relative_file_paths=lambda names: [f"old/place/{names[0]}"]),
        lambda bag: about(bag, relative_file_paths=[]),
        lambda bag: (bag / "metadata.yaml").unlink(),
        lambda bag: (bag / "metadata.yaml").write_bytes(b""),
        lambda bag: (bag / "metadata.yaml").write_bytes(b"\0" * 500),
    ],
)
@pytest.mark.parametrize("plugin", [MCAP, DB3])
def test_what_a_bag_is_said_to_be_does_not_count(
    tmp_path: Path, truth: Rows, plugin: StoragePlugin, change: Callable[[Path], Any]
) -> None:
    if plugin is DB3 and change in (renamed, profiled):
        pytest.skip("of MCAP")
    bag = plain(tmp_path / "plain", plugin)
    change(bag)
    assert is_foreign(bag) and read(bag) == truth
    assert find_foreign(bag, VGA).task == "connector/vga"


@pytest.mark.parametrize("plugin", [MCAP, DB3])
@pytest.mark.parametrize("ending", ["zstd", "zst"])
def test_packed_files_with_and_without_metadata(
    tmp_path: Path, truth: Rows, plugin: StoragePlugin, ending: str
) -> None:
    bag = plain(tmp_path / "plain", plugin)
    file = files_of(bag)[0]
    packed = file.with_name(f"{file.name}.{ending}")
    packed.write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()
    assert read(bag) == truth
    (bag / "metadata.yaml").unlink()
    assert read(bag) == truth == read(packed)
    packed.write_bytes(packed.read_bytes()[:-200])
    assert "recorder was killed" in refused(packed) or "damaged" in refused(packed)


def test_files_by_themselves(tmp_path: Path, truth: Rows) -> None:
    for plugin in (MCAP, DB3):
        bag = plain(tmp_path / str(plugin), plugin, task="connector/usb_a", status="failure")
        file = Path(shutil.copy(files_of(bag)[0], tmp_path))
        assert read(file) == truth
        found = find_foreign(file, StatedFacts())
        assert (found.task, found.status) == ("connector/usb_a", "failure")
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(next(tmp_path.glob("*.mcap")).read_bytes()[:-1000])
    assert "ends in the middle: its recorder was killed" in refused(cut)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_fewer_messages_than_were_recorded_are_reported_with_numbers(
    tmp_path: Path, number: int
) -> None:
    plugin, mode = [(MCAP, 0), (MCAP, CompressionMode.STORAGE), (DB3, 0)][number]
    bag = plain(tmp_path / "plain", plugin, mode or CompressionMode.NONE)
    if number == 0:
        about(bag, topics_with_message_count=counted(230))
        expected = f"200 of 230 messages of {POSE.name} are there"
    elif number == 1:
        file = files_of(bag)[0]
        data = file.read_bytes()
        half = len(data) // 2
        file.write_bytes(data[:half] + bytes(2000) + data[half + 2000 :])
        expected = f"messages of {POSE.name} are there"
    else:
        with sqlite3.connect(files_of(bag)[0]) as connection:
            connection.execute("DELETE FROM messages WHERE id % 10 = 0")
        connection.close()
        expected = f"of 200 messages of {POSE.name} are there"
    assert expected in refused(bag)


def test_split_bags_are_counted_as_one_and_miss_no_part(tmp_path: Path) -> None:
    bag = plain(tmp_path / "plain")
    whole = read(bag)
    shutil.copy(bag / "plain.mcap", bag / "plain_1.mcap")
    (bag / "plain.mcap").rename(bag / "plain_0.mcap")
    names = ["plain_0.mcap", "plain_1.mcap"]
    about(bag, relative_file_paths=names)
    assert read(bag) == whole * 2
    about(bag, relative_file_paths=names[:1])
    assert "plain_1.mcap is not listed" in "".join(remarks(bag))
    about(bag, relative_file_paths=[*names, "plain_2.mcap"])
    assert "misses plain_2.mcap" in refused(bag)


def test_nothing_outside_of_the_folder_is_read(tmp_path: Path) -> None:
    secret = plain(tmp_path / "secret")
    bag = plain(tmp_path / "plain")
    (bag / "plain.mcap").unlink()
    for name in ("../secret/secret.mcap", str(secret / "secret.mcap"), "/dev/zero", ".."):
        about(bag, relative_file_paths=[name])
        assert "misses" in refused(bag)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)):
        bag = plain(tmp_path / "plain")
        (bag / "plain.mcap").unlink()
        make(bag / "plain.mcap")
        assert "misses plain.mcap" in refused(bag)
        shutil.rmtree(bag)


def test_a_killed_sqlite_recorder(tmp_path: Path, truth: Rows) -> None:
    """What lies in the write-ahead log is read, and nothing is written beside somebody's file."""
    source = plain(tmp_path / "source", DB3)
    bag = tmp_path / "killed"
    bag.mkdir()
    first = sqlite3.connect(source / "source.db3")
    rows = {t: list(first.execute(f"SELECT * FROM {t}")) for t in ("topics", "messages")}
    tables = [sql for (sql,) in first.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")]
    first.close()
    writing = sqlite3.connect(tmp_path / "live.db3", isolation_level=None)
    writing.execute("PRAGMA journal_mode = WAL")
    for sql in tables:
        writing.execute(sql)
    for table, content in rows.items():
        for row in content:
            writing.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    for end in ("", "-wal"):
        shutil.copy(tmp_path / f"live.db3{end}", bag / f"killed_0.db3{end}")
    writing.close()
    before = {file.name: file.read_bytes() for file in bag.iterdir()}
    assert read(bag) == truth and find_foreign(bag, VGA)
    said = " ".join(remarks(bag))
    assert "has no metadata.yaml" in said and "what lay in its log is read" in said
    assert {file.name: file.read_bytes() for file in bag.iterdir()} == before


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE messages",
        "DROP TABLE topics; CREATE VIEW topics AS SELECT 1 AS id, '/x' AS name",
        "DROP TABLE messages; CREATE VIEW messages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
        "SELECT i AS id, 1 AS topic_id, i AS timestamp, zeroblob(1000000) AS data FROM n",
        "ALTER TABLE messages ADD COLUMN more AS (zeroblob(900000000))",
        "UPDATE messages SET data = 'text'",
        "UPDATE messages SET timestamp = 'now'",
        "UPDATE topics SET name = x'ff00'",
    ],
)
def test_hostile_databases_are_refused_in_time(tmp_path: Path, sql: str) -> None:
    bag = plain(tmp_path / "plain", DB3)
    connection = sqlite3.connect(bag / "plain.db3")
    connection.executescript(sql)
    connection.close()
    begin = time.monotonic()
    assert refused(bag)
    assert time.monotonic() - begin < 10.0


def test_other_kinds_of_files_are_named(tmp_path: Path) -> None:
    bag = plain(tmp_path / "plain")
    file = bag / "plain.mcap"
    file.write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
    assert "is a ROS 1 bag" in refused(bag) and "rosbags-convert --src" in refused(bag)
    file.write_bytes(b"hello")
    assert "plain.mcap is neither MCAP nor SQLite" in refused(bag)
    file.write_bytes(b"")
    assert "plain.mcap is empty" in refused(bag)


def test_messages_that_are_no_cdr_are_named(tmp_path: Path) -> None:
    bag = plain(tmp_path / "plain")
    file = bag / "plain.mcap"
    file.write_bytes(file.read_bytes().replace(b"\x03\0\0\0cdr", b"\x03\0\0\0xml"))
    with pytest.raises(BadBag, match=r"current_pose as geometry_msgs/msg/PoseStamped \(xml\)"):
        find_foreign(bag, VGA)


def test_messages_outside_of_chunks_become_steps(tmp_path: Path) -> None:
    """The library that others use reads half of such a file."""
    for seed in range(2):
        bag = demonstration(seed).write(tmp_path / "bags" / f"demo_{seed}")
        rows = read(bag)
        kinds = {name: info.type for name, info in topics(bag).items()}
        unchunked(bag / f"demo_{seed}.mcap", rows, kinds)
        assert sorted(read(bag)) == sorted(rows)
    out = tmp_path / "data"
    assert (
        convert([str(tmp_path / "bags"), "--out", str(out), "--recorded", "task=connector/vga"])
        == 0
    )
    assert sum(Dataset(out).lengths.values()) == 2


def unchunked(file: Path, rows: Rows, kinds: dict[str, str]) -> None:
    """A file whose pictures lie in no chunk, made of two: the records of one inside of the other."""
    parts = []
    for chunked in (True, False):
        with file.open("wb") as stream:
            writer = Writer(stream, 50_000, CompressionType.ZSTD, use_chunking=chunked)
            writer.start("ros2")
            channels = {
                topic: writer.register_channel(
                    f"/{topic}", "cdr", writer.register_schema(kind, "ros2msg", b"")
                )
                for topic, kind in kinds.items()
            }
            for topic, moment, data in rows:
                if (topic == IMAGE.name) != chunked:
                    writer.add_message(channels[topic], moment, data, moment)
            writer.finish()
        parts.append(file.read_bytes())
    end = b"\x0f\x04\0\0\0\0\0\0\0"
    loose = parts[1][8 + 9 + int.from_bytes(parts[1][9:17], "little") : parts[1].index(end)]
    begin = parts[0].index(end)
    footer = parts[0][:begin] + loose + end + bytes(4)
    file.write_bytes(footer + b"\x02\x14" + bytes(7) + bytes(20) + b"\x89MCAP0\r\n")


@pytest.mark.parametrize("plugin", [MCAP, DB3])
def test_any_damage_is_a_bad_bag_or_none(tmp_path: Path, plugin: StoragePlugin) -> None:
    """Flips, cuts and insertions in files and metadata: one error, in time."""
    random = np.random.default_rng(19)
    small = demonstration(seconds=0.3)
    mode = CompressionMode.STORAGE if plugin is MCAP else CompressionMode.NONE
    source = small.write(tmp_path / "source", plugin, mode)
    begin = time.monotonic()
    for turn in range(60):
        bag = Path(shutil.copytree(source, tmp_path / f"{turn}" / "source"))
        file = files_of(bag)[0] if turn % 4 else bag / "metadata.yaml"
        file.write_bytes(randomly_damaged(file.read_bytes(), random, turn))
        for look in (read, topics, span_of, remarks, lambda path: find_foreign(path, VGA)):
            try:
                look(bag)
            except BadBag as error:
                assert str(error)
        is_foreign(bag)
    assert time.monotonic() - begin < 60.0
