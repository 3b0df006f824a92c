# SPDX-License-Identifier: Apache-2.0
"""Replay as processes: bags played to whoever listens, and executed on the twin again."""

from __future__ import annotations

import json
import os
import signal
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from domains import free_domain
from harness import Processes, expect_exit, spin_until, wait_until
from rclpy.node import Node
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Empty

from rldg_core import contract
from rldg_core.bags.bag_reader import (
    bags_in,
    decode,
    images,
    messages_of,
    raw_messages,
    read_summary,
    typestore,
)
from rldg_core.message_values import nanoseconds
from rldg_rl.episodes.bag import BagWriter
from rldg_robot.ros import listen_to, publish_on

DEEP = 10_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of two tasks."""
    folder = tmp_path_factory.mktemp("recorded")
    tasks = "connector/vga,connector/usb_a"
    with free_domain(zlib.crc32(str(folder).encode())) as domain:
        processes = Processes(folder, {**os.environ, "ROS_DOMAIN_ID": str(domain)})
        stack = processes.stack("collect", name="two", source="operator", task=tasks, episodes=2)
        try:
            expect_exit(stack)
        finally:
            processes.end()
    return folder / "runs" / "two"


@pytest.fixture
def bag(run: Path) -> Path:
    """A demonstration that succeeded."""
    return next(bag for bag in bags_in(run) if read_summary(bag).status == "success")


class Audience(Node):
    """Hears everything that is played, as bytes."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.heard: dict[str, list[bytes]] = {topic.name: [] for topic in contract.RECORDED}
        self.clock: list[int] = []
        for topic in contract.RECORDED:
            listen_to(self, topic, self.heard[topic.name].append, raw=True, depth=DEEP)
        self.create_subscription(Clock, "/clock", self._on_clock, DEEP)

    def _on_clock(self, message: Clock) -> None:
        self.clock.append(nanoseconds(message.clock))

    def until(self, condition: Callable[[], object], what: str) -> None:
        spin_until(self, condition, what)

    def listen_on(self) -> None:
        """Take in what has arrived."""
        for _ in range(200):
            rclpy.spin_once(self, timeout_sec=0.005)


@pytest.fixture
def audience(domain: int) -> Iterator[Audience]:
    rclpy.init()
    node = Audience()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def recorded(bag: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {topic.name: [] for topic in contract.RECORDED}
    for topic, _, _, cdr in raw_messages(bag):
        found[topic].append(cdr)
    return found


def log_of(process: Any) -> str:
    return str(process.log.read_text())


def test_every_message_is_played_once_in_order_and_byte_for_byte(
    processes: Processes, audience: Audience, bag: Path
) -> None:
    stack = processes.stack("replay", bag=bag, rate=4)
    audience.until(lambda: stack.poll() is not None, "the end of the bag")
    audience.listen_on()

    assert stack.returncode == 0, log_of(stack)
    assert audience.heard == recorded(bag)
    times = [time for _, _, time, _ in raw_messages(bag)]
    assert audience.clock == sorted(set(audience.clock))
    assert (audience.clock[0], audience.clock[-1]) == (min(times), max(times))
    assert set(times) <= set(audience.clock)


def test_a_run_is_played_bag_by_bag(processes: Processes, audience: Audience, run: Path) -> None:
    stack = processes.stack("replay", bag=run, rate=20)
    audience.until(lambda: stack.poll() is not None, "the end of the run")
    audience.listen_on()

    announced = [decode(contract.EPISODE, cdr).episode_id for cdr in audience.heard["episode"]]
    assert announced == [bag.name for bag in bags_in(run) for _ in ("opened", "closed")]
    tasks = {read_summary(bag).task for bag in bags_in(run)}
    assert tasks == {"connector/vga", "connector/usb_a"}


def test_a_loop_begins_again_until_it_is_stopped(
    processes: Processes, audience: Audience, bag: Path
) -> None:
    stack = processes.stack("replay", bag=bag, rate=20, loop="true")
    audience.until(lambda: len(audience.heard["episode"]) > 4, "two rounds and a half")
    stack.send_signal(signal.SIGINT)
    expect_exit(stack, 128 + signal.SIGINT)
    audience.listen_on()

    start, round_ = audience.clock[0], recorded(bag)["step"]
    again = [b for a, b in zip(audience.clock, audience.clock[1:], strict=False) if b <= a]
    assert again[:2] == [start, start]
    assert audience.heard["step"][: 2 * len(round_)] == round_ * 2


def test_who_comes_late_has_the_latched_messages(
    processes: Processes, audience: Audience, bag: Path
) -> None:
    processes.stack("replay", bag=bag, rate=0.1)
    audience.until(lambda: len(audience.heard["step"]) == 2, "the second step")
    late: list[bytes] = []
    listen_to(audience, contract.STEP, late.append, raw=True)
    audience.until(lambda: len(late) >= 2, "what was missed")
    assert late[:2] == recorded(bag)["step"][:2]


def test_nothing_is_played_to_a_robot(processes: Processes, audience: Audience, bag: Path) -> None:
    processes.node("rldg_robot", "twin")
    audience.until(lambda: "twin" in audience.get_node_names(), "the twin")
    stack = processes.stack("replay", bag=bag)
    audience.until(lambda: stack.poll() is not None, "the refusal")

    assert stack.returncode == 2
    assert "the node 'twin' publishes" in log_of(stack)
    assert "ROS_DOMAIN_ID=1 ./rldg launch replay" in log_of(stack)
    assert not audience.heard["target_pose"] and not audience.heard["step"]


def test_other_topics_are_played_and_a_type_that_is_not_here_is_named(
    processes: Processes, audience: Audience
) -> None:
    store = typestore()
    store.register(get_types_from_msg("float64 x", "other_msgs/msg/Thing"))
    writer = Writer(processes.folder / "b", version=9, storage_plugin=StoragePlugin.MCAP)
    with writer:
        for name, kind in (("/thing", "other_msgs/msg/Thing"), ("/ping", "std_msgs/msg/Empty")):
            connection = writer.add_connection(name, kind, typestore=store)
            writer.write(connection, 10**18, b"\x00\x01\x00\x00\x00")
    pings: list[Empty] = []
    audience.create_subscription(Empty, "/ping", pings.append, 10)

    stack = processes.stack("replay", bag=processes.folder / "b")
    audience.until(lambda: stack.poll() is not None, "the end of the bag")
    audience.until(lambda: pings, "the ping")

    assert stack.returncode == 0, log_of(stack)
    assert "left out: /thing, for other_msgs/msg/Thing is not installed" in log_of(stack)


def test_the_twin_does_again_what_it_did(processes: Processes, run: Path) -> None:
    stack = processes.stack("replay", bag=run, execute="true")
    expect_exit(stack)

    (folder,) = (processes.folder / "runs" / "replays").iterdir()
    report = json.loads((folder / "replay.json").read_text())
    bags = [bag for bag in bags_in(run) if read_summary(bag).steps]
    assert [each["episode_id"] for each in report["episodes"]] == [bag.name for bag in bags]
    for each, bag in zip(report["episodes"], bags, strict=True):
        summary = read_summary(bag)
        assert each["recorded"] == each["replayed"] == summary.status
        assert each["recorded_steps"] == each["replayed_steps"] == summary.steps
        assert each["start_mm"] == each["largest_mm"] == 0.0
        assert each["largest_degrees"] < 1e-9

        copy = folder / "bags" / f"replay_{bag.name}"
        again = replace(summary, episode_id=copy.name, source="replay")
        assert replace(read_summary(copy), interventions=summary.interventions) == again
        for then, now in zip(pictures(bag), pictures(copy), strict=True):
            assert np.array_equal(then, now)
    assert bags[0].name in log_of(stack)


def pictures(bag: Path) -> list[np.ndarray]:
    """What the policy saw, step by step."""
    found = images(bag, contract.WRIST_IMAGE)
    return [found[nanoseconds(step.image_stamp)] for step in messages_of(bag, contract.STEP)]


def test_a_replay_that_ends_otherwise_is_reported_and_fails(
    processes: Processes, bag: Path
) -> None:
    summary = read_summary(bag)
    moved = BagWriter(processes.folder / bag.name)
    for topic, kind, when, cdr in raw_messages(bag):
        if topic == "episode":
            episode = replace(decode(contract.EPISODE, cdr), seed=summary.seed + 1)
            moved.write(topic, when, bytes(typestore().serialize_cdr(episode, kind)))
        else:
            moved.write(topic, when, cdr)
    moved.close(summary)

    stack = processes.stack("replay", bag=moved.path, execute="true")
    expect_exit(stack, 1)

    (folder,) = (processes.folder / "runs" / "replays").iterdir()
    (found,) = json.loads((folder / "replay.json").read_text())["episodes"]
    assert (found["recorded"], found["replayed"]) == ("success", "failure")
    assert found["start_mm"] > 1.0, "another seed is another start"


def test_a_stop_of_the_gate_ends_the_execution(
    processes: Processes, audience: Audience, run: Path
) -> None:
    stop = publish_on(audience, contract.EMERGENCY_STOP)
    stack = processes.stack("replay", bag=run, execute="true", real_time_factor=1)
    audience.until(lambda: audience.heard["step"], "the first step")

    def ended() -> bool:
        stop.publish(Empty())
        return stack.poll() is not None

    wait_until(ended, "the end")

    assert stack.returncode == 1
    assert "stopped: the safety gate stopped the arm: emergency stop" in log_of(stack)
    (folder,) = (processes.folder / "runs" / "replays").iterdir()
    (found,) = json.loads((folder / "replay.json").read_text())["episodes"]
    assert found["replayed"] == "aborted"
    assert read_summary(folder / "bags" / f"replay_{found['episode_id']}").status == "aborted"
