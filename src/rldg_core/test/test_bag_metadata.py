# SPDX-License-Identifier: Apache-2.0
"""`metadata.yaml` of somebody else's: of other shapes, hostile, emptied by a power cut."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from random_damage import randomly_damaged

from rldg_core.bags.bag_reader import (
    bag_files,
    bags_in,
    custom_data,
    is_complete,
    metadata,
    read_summary,
)

SOUND = """rosbag2_bagfile_information:
  version: 9
  storage_identifier: mcap
  relative_file_paths: [a.mcap]
  message_count: 3
  topics_with_message_count:
    - topic_metadata: {name: /a, type: a/msg/A, serialization_format: cdr, offered_qos_profiles: ''}
      message_count: 3
  custom_data: {task: connector/vga}
"""


def test_a_sound_one(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text(SOUND)
    about = metadata(tmp_path)
    assert about.relative_file_paths == ["a.mcap"]
    assert [(t.topic_metadata.name, t.message_count) for t in about.topics_with_message_count] == [
        ("/a", 3)
    ]
    assert custom_data(tmp_path) == {"task": "connector/vga"} == about.custom_data


@pytest.mark.parametrize(
    "text",
    [
        "rosbag2_bagfile_information: " + "[" * 100_000,
        "rosbag2_bagfile_information: {custom_data: " + "{a: " * 100_000,
        "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(200)),
        "rosbag2_bagfile_information:\n  custom_data:\n    a: 1\n" + "- " * 50_000,
        SOUND.replace("[a.mcap]", "3"),
        SOUND.replace("    - topic", "    - other"),
        SOUND.replace("message_count: 3\n  custom", "message_count: many\n  custom"),
        SOUND.replace("name: /a", "name: [1]"),
        SOUND + "x" * (17 << 20),
    ],
)
def test_hostile_ones_are_one_error_in_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "metadata.yaml").write_text(text)
    begin = time.monotonic()
    with pytest.raises(ValueError, match=r"metadata\.yaml"):
        metadata(tmp_path)
    try:
        custom_data(tmp_path)
    except ValueError as error:
        assert "metadata.yaml is damaged" in str(error)
    assert time.monotonic() - begin < 10.0


@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 400, SOUND.encode() + b"\0" * 100])
def test_a_file_that_a_power_cut_emptied_does_not_count(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metadata.yaml").write_bytes(content)
    assert not is_complete(tmp_path)


def test_pipes_and_folders_are_no_metadata_and_no_bags(tmp_path: Path) -> None:
    bag = tmp_path / "a"
    bag.mkdir()
    os.mkfifo(bag / "metadata.yaml")
    os.mkfifo(bag / "a.mcap")
    assert not is_complete(bag)
    with pytest.raises(ValueError, match="is no file"):
        custom_data(bag)
    for look in (bag_files, bags_in):
        with pytest.raises(FileNotFoundError):
            look(bag)


@pytest.mark.parametrize(
    "summary", ["", "{", "[]", '{"episode_id": 1}', "[" * 10_000, json.dumps({"steps": "x"})]
)
def test_a_summary_of_another_shape_is_one_error(tmp_path: Path, summary: str) -> None:
    text = SOUND.replace("{task: connector/vga}", "{episode: " + json.dumps(summary) + "}")
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"summary in .*metadata\.yaml cannot be used"):
        read_summary(tmp_path)
    (tmp_path / "metadata.yaml").write_text(SOUND)
    with pytest.raises(ValueError, match="holds no summary"):
        read_summary(tmp_path)


def test_any_damage_is_one_error_or_none(tmp_path: Path) -> None:
    random = np.random.default_rng(19)
    file = tmp_path / "metadata.yaml"
    for turn in range(300):
        file.write_bytes(randomly_damaged(SOUND.encode(), random, turn, longest=30))
        is_complete(tmp_path)
        for read in (metadata, custom_data, read_summary):
            try:
                read(tmp_path)
            except ValueError as error:
                assert "metadata.yaml" in str(error)
