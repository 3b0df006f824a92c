# SPDX-License-Identifier: Apache-2.0
"""What of a bag is published when, and on which topics."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from rldg_core import contract
from rldg_core.bags.bag_reader import bags_in, typestore
from rldg_robot.playback import cues, topics_of

START = 1_700_000_000_000_000_000
FOREVER = QosTime(2147483647, 4294967295)
EMPTY = "std_msgs/msg/Empty"


def offer(reliability: QosReliability, durability: QosDurability) -> Qos:
    never = (QosLiveliness.AUTOMATIC, FOREVER, False)
    return Qos(QosHistory.KEEP_LAST, 1, reliability, durability, FOREVER, FOREVER, *never)


LATCHED = offer(QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL)
FLEETING = offer(QosReliability.BEST_EFFORT, QosDurability.VOLATILE)


def write_bag(
    path: Path, topics: dict[str, tuple[Qos, ...]], time: int = START, close: bool = True
) -> Path:
    """A bag with one empty message on each topic."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.open()
    for name, offers in topics.items():
        connection = writer.add_connection(
            name, EMPTY, typestore=typestore(), offered_qos_profiles=list(offers)
        )
        writer.write(connection, time, b"\x00\x01\x00\x00\x00")
    if close:
        writer.close()
    else:  # a kill: what was flushed stays
        writer.storage.close_chunk()
        writer.storage.bio.flush()
        writer.abort()
    return path


messages = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3 * 10**9))).map(
    lambda drawn: [
        (topic, EMPTY, START + time, bytes([i % 256])) for i, (topic, time) in enumerate(drawn)
    ]
)
rates = st.sampled_from([0.1, 0.5, 1.0, 3.0, 100.0])


@settings(deadline=None)
@given(messages, rates)
def test_every_message_comes_once_in_order_under_a_clock_that_never_runs_back(
    recorded: list[tuple[str, str, int, bytes]], rate: float
) -> None:
    played = list(cues(recorded, rate))

    assert [(cue.topic, cue.cdr) for cue in played if cue.topic] == [
        (topic, cdr) for topic, _, _, cdr in recorded
    ]
    clock = [cue.time for cue in played if not cue.topic]
    assert clock == sorted(set(clock))
    said = None
    for cue in played:
        said = said if cue.topic else cue.time
        assert said == cue.time, "a message comes when the clock has said its time"
    walls = [cue.wall for cue in played]
    assert walls == sorted(walls)


@settings(deadline=None)
@given(messages, rates)
def test_the_clock_runs_at_the_rate(
    recorded: list[tuple[str, str, int, bytes]], rate: float
) -> None:
    played = list(cues(recorded, rate))

    for cue in played:
        assert (cue.time - played[0].time) * 1e-9 == pytest.approx(cue.wall * rate, abs=1e-8)
    gaps = [b.wall - a.wall for a, b in itertools.pairwise(played)]
    assert max(gaps, default=0.0) <= 0.01 + 1e-9


def test_a_message_that_was_written_late_does_not_turn_the_clock_back() -> None:
    recorded = [("a", EMPTY, START + time, b"") for time in (0, 10_000_000, 5_000_000)]

    assert [cue.time - START for cue in cues(recorded, 1.0) if cue.topic] == [0, 10**7, 10**7]


def test_topics_are_offered_as_the_contract_says_and_others_as_they_were_recorded(
    tmp_path: Path,
) -> None:
    bag = write_bag(
        tmp_path / "a",
        {
            "/step": (FLEETING,),
            "/tf_static": (LATCHED,),
            "/lidar": (FLEETING,),
            "/unsaid": (),
            "/clock": (LATCHED,),
            "/rosout": (LATCHED,),
        },
    )
    found = {topic.name: topic for topic in topics_of(bag)}

    assert set(found) == {"step", "tf_static", "lidar", "unsaid"}
    assert found["step"] == contract.Topic("step", EMPTY, depth=256, latched=True)
    assert (found["tf_static"].latched, found["tf_static"].reliable) == (True, True)
    assert (found["lidar"].latched, found["lidar"].reliable) == (False, False)
    assert (found["unsaid"].latched, found["unsaid"].reliable) == (False, True)


def test_a_bag_that_was_never_closed_has_its_topics(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "a", {"/step": (FLEETING,), "/lidar": (FLEETING,)}, close=False)

    found = {topic.name: topic for topic in topics_of(bag)}
    assert set(found) == {"step", "lidar"}
    assert (found["step"].latched, found["lidar"].latched) == (True, False)


def test_the_bags_of_a_run_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    bags = tmp_path / "run" / "bags"
    bags.mkdir(parents=True)
    for name, time in (("policy_0", 2), ("evaluation_0", 3), ("demonstration_0", 1)):
        write_bag(bags / name, {"/step": ()}, time=START + time)
    (bags / ".recovering").mkdir()

    ordered = [bags / name for name in ("demonstration_0", "policy_0", "evaluation_0")]
    assert bags_in(tmp_path / "run") == ordered
    assert bags_in(bags) == ordered
    assert bags_in(bags / "policy_0") == [bags / "policy_0"]


def test_a_folder_without_bags_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no bags: give a bag"):
        bags_in(tmp_path)
