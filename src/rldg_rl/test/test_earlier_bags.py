# SPDX-License-Identifier: Apache-2.0
"""Bags of every definition that recorded messages have had: they are read, played, replayed, mended and converted.

`make_earlier_bags` made them, each under the revision that it is named after.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from rldg_core.bags import mcap_file
from rldg_core.bags.bag_reader import (
    bag_files,
    decode,
    decode_as,
    messages_of,
    raw_messages,
    read_summary,
)
from rldg_core.contract import RECORDED, SAFETY_STATE, STEP, TASK_STATE, TOPICS
from rldg_core.task import load_task
from rldg_distill.convert import main as convert
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.bag_storage import every_message, messages
from rldg_rl.episodes.bag import recorded_steps, recover
from rldg_rl.episodes.replay import read_recorded
from rldg_robot.playback import cues

FOLDER = Path(__file__).parents[2] / "rldg_core/test/data/earlier_bags"
FIRST, NAMED_TASK, OBJECTS = "b00a1c6", "079271e", "9718056"
BAGS = sorted(FOLDER.glob("*/policy_00000"))
STEPS = 4

every_bag = pytest.mark.parametrize("bag", BAGS, ids=[bag.parent.name for bag in BAGS])


def recorded(bag: Path) -> list[tuple[str, bytes]]:
    """The bytes in the file."""
    return [(topic, cdr) for topic, *_, cdr in mcap_file.messages(bag_files(bag)[0])]


def test_they_differ() -> None:
    assert len({tuple(recorded(bag)) for bag in BAGS}) == len(BAGS) >= 4


@every_bag
def test_every_message_is_read_with_stated_defaults(bag: Path) -> None:
    for topic in RECORDED:
        messages_of(bag, topic)
    generation = bag.parent.name
    for state in messages_of(bag, SAFETY_STATE):
        assert (state.state, state.reason, state.clamped) == (1, "the arm is silent", 3)
        assert state.task == ""
    for task_state in messages_of(bag, TASK_STATE):
        assert task_state.progress == 0.25
        assert task_state.gripper == (0.0 if generation in (FIRST, NAMED_TASK) else -1.0)
        assert list(task_state.objects) == []
    assert len(messages_of(bag, STEP)) == STEPS


@every_bag
def test_they_are_played_in_todays_form(bag: Path) -> None:
    played = [cue for cue in cues(raw_messages(bag), 1.0) if cue.topic]
    assert len(played) == len(recorded(bag))
    for cue in played:
        decode(TOPICS[cue.topic], cue.cdr)


@every_bag
def test_they_are_replayed(bag: Path) -> None:
    recording = read_recorded(bag)
    assert recording.actions.shape == (STEPS, 7) and len(recording.path) == STEPS + 1
    steps = list(recorded_steps(bag, load_task("connector/vga"), looks=True))
    np.testing.assert_array_equal([step.action for step in steps], recording.actions)
    assert all(step.seen.image.shape == (16, 16, 3) for step in steps)


@every_bag
def test_one_that_was_never_closed_is_mended_into_todays_form(bag: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bag, tmp_path / bag.name))
    (copy / "metadata.yaml").unlink()
    mended = recover(copy)
    assert mended and replace(mended, seed=0) == read_summary(bag)
    assert recorded(copy) == [(topic, cdr) for topic, *_, cdr in raw_messages(bag)]


def test_they_are_converted_to_one_dataset(tmp_path: Path) -> None:
    assert convert([*map(str, BAGS), "--out", str(tmp_path / "data")]) == 0
    dataset = Dataset(tmp_path / "data")
    episodes = [episode for name in dataset.shards for episode in dataset.episodes(name)]
    assert {episode.metadata.bag for episode in episodes} == {
        f"{bag.parent.name}/{bag.name}" for bag in BAGS
    }
    for episode in episodes:
        np.testing.assert_array_equal(episode.action, episodes[0].action)
        np.testing.assert_array_equal(episode.state, episodes[0].state)
        assert list(episode.images["image"]) == list(episodes[0].images["image"])


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@every_bag
def test_other_storages_carry_definitions_too(
    bag: Path, plugin: StoragePlugin, tmp_path: Path
) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    for channel in mcap_file.channels(bag_files(bag)[0]).values():
        store.register(get_types_from_msg(channel.definition, channel.type))
    out = tmp_path / bag.name
    writer = Writer(out, version=9, storage_plugin=plugin)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        for topic, kind, time, cdr in mcap_file.messages(bag_files(bag)[0]):
            place = next((c for c in writer.connections if c.topic == f"/{topic}"), None)
            place = place or writer.add_connection(f"/{topic}", kind, typestore=store)
            writer.write(place, time, cdr)
    read = [(topic, cdr) for topic, _, cdr in messages(out, TOPICS)]
    assert sorted(read) == sorted((topic, cdr) for topic, *_, cdr in raw_messages(bag))
    assert sorted((t, c) for t, _, c in every_message(out)) == sorted(recorded(bag))
    for topic, cdr in read:
        decode_as(TOPICS[topic].type, cdr)
