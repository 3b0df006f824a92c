# SPDX-License-Identifier: Apache-2.0
"""Bags as other people's tools read them: rosbag2's metadata, field by field, and the MCAP file on its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from mcap.reader import SeekingReader, make_reader
from mcap_ros2.decoder import DecoderFactory
from test_bag import START, STEPS, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import raw_messages

INFINITE = {"sec": 0x7FFFFFFF, "nsec": 0xFFFFFFFF}
"""rosbag2 reads this pair as 'for ever' (rosbag2_storage/qos.cpp), under every middleware"""


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    write_episode(tmp_path / "policy_00000")
    return tmp_path / "policy_00000"


def test_the_metadata_is_that_of_rosbag2_version_9(bag: Path) -> None:
    """The fields that rosbag2 of Jazzy writes and wants, see rosbag2_storage/yaml.hpp."""
    document = yaml.safe_load((bag / "metadata.yaml").read_text())
    assert set(document) == {"rosbag2_bagfile_information"}
    found = document["rosbag2_bagfile_information"]
    messages = list(raw_messages(bag))
    span = {
        "duration": {"nanoseconds": max(m[2] for m in messages) - START},
        "starting_time": {"nanoseconds_since_epoch": START},
        "message_count": len(messages),
    }
    custom = found.pop("custom_data")
    topics = found.pop("topics_with_message_count")
    assert found == {
        "version": 9,
        "storage_identifier": "mcap",
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": ["policy_00000.mcap"],
        "files": [{"path": "policy_00000.mcap", **span}],
        "ros_distro": "rosbags",
        **span,
    }
    assert all(isinstance(text, str) for entry in custom.items() for text in entry)
    assert {topic["topic_metadata"]["name"]: topic["message_count"] for topic in topics} == {
        f"/{topic.name}": sum(name == topic.name for name, *_ in messages)
        for topic in contract.RECORDED
    }


def test_topics_are_described_as_rosbag2_does(bag: Path) -> None:
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    described = [topic["topic_metadata"] for topic in metadata["topics_with_message_count"]]

    for topic, found in zip(contract.RECORDED, described, strict=True):
        digest = found.pop("type_description_hash")
        assert digest.startswith("RIHS01_") and len(digest) == len("RIHS01_") + 64
        assert found == {
            "name": f"/{topic.name}",
            "type": topic.type,
            "serialization_format": "cdr",
            "offered_qos_profiles": [profile(topic)],
        }


def profile(topic: contract.Topic) -> dict[str, Any]:
    return {
        "history": "keep_last",
        "depth": topic.depth,
        "reliability": "reliable" if topic.reliable else "best_effort",
        "durability": "transient_local" if topic.latched else "volatile",
        "deadline": INFINITE,
        "lifespan": INFINITE,
        "liveliness": "automatic",
        "liveliness_lease_duration": INFINITE,
        "avoid_ros_namespace_conventions": False,
    }


def test_the_mcap_file_has_an_index_and_sound_checksums(bag: Path) -> None:
    messages = list(raw_messages(bag))
    with (bag / "policy_00000.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert isinstance(reader, SeekingReader), "it is read by its index"
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_count == len(messages)
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count >= STEPS
        last = START + (STEPS - 1) * 100_000_000
        after = list(reader.iter_messages(topics=["/step"], starting_at=last))
        assert 0 < len(after) < STEPS, "a tool can jump into the middle"


def test_the_file_alone_is_enough_to_decode_every_message(bag: Path) -> None:
    """With a decoder that knows no type but those described in the file: `mcap`, Foxglove."""
    with (bag / "policy_00000.mcap").open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        decoded = [
            (schema.name, channel.topic, message)
            for schema, channel, _, message in reader.iter_decoded_messages()
        ]
    assert len(decoded) == len(list(raw_messages(bag)))
    steps = [message for name, _, message in decoded if name == "rldg_msgs/msg/Step"]
    assert [step.index for step in steps] == list(range(STEPS))
    assert all(len(step.action) == 7 for step in steps)
