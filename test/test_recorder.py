# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process: a disk that is full, a folder that cannot be written, steps that come early."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from harness import Processes, executable, expect_exit, said, spin_until
from rclpy.node import Node
from sensor_msgs.msg import Image

from rldg_core import contract
from rldg_core.bags.bag_reader import is_complete, raw_messages, read_summary
from rldg_msgs.msg import Episode, RecorderStatus, Step
from rldg_robot.ros import listen_to, message_class, publish_on

PIXELS = np.random.default_rng(0).integers(0, 255, 128 * 128 * 3, dtype=np.uint8).tobytes()


class Teller(Node):
    """Plays actor and camera."""

    def __init__(self) -> None:
        super().__init__("teller")
        self.status = RecorderStatus()
        self.heard = False
        listen_to(self, contract.RECORDER_STATUS, self._on_status)
        self.episode = publish_on(self, contract.EPISODE)
        self.step = publish_on(self, contract.STEP)
        self.image = publish_on(self, contract.WRIST_IMAGE)

    def _on_status(self, message: RecorderStatus) -> None:
        self.status, self.heard = message, True

    def until(self, condition: Callable[[], object], what: str) -> None:
        spin_until(self, condition, what)

    def wait_for_recorder(self) -> None:
        topics = (self.episode, self.step, self.image)
        self.until(lambda: all(t.get_subscription_count() for t in topics), "the recorder")
        self.until(lambda: self.heard, "its status")

    def tell(self, name: str, index: int) -> None:
        self.image.publish(Image(height=128, width=128, encoding="rgb8", step=384, data=PIXELS))
        self.step.publish(Step(episode_id=name, index=index))


@pytest.fixture
def teller(domain: int) -> Iterator[Teller]:
    rclpy.init()
    node = Teller()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_a_full_disk_is_reported_and_what_was_recorded_stays(
    processes: Processes, teller: Teller
) -> None:
    run = processes.folder / "run"
    # A limit on the size of files fails a write in the same place as a full disk.
    recorder = executable("rldg_rl", "recorder")
    processes.start("/bin/bash", "-c", f"ulimit -f 400; exec {recorder} --ros-args -p run:={run}")
    teller.wait_for_recorder()
    teller.episode.publish(Episode(episode_id="policy_00000", source="policy"))
    teller.until(lambda: teller.status.open, "an open bag")
    for index in range(60):
        teller.tell("policy_00000", index)
        teller.until(lambda i=index: teller.status.error or teller.status.steps > i, "the disk")
        if teller.status.error:
            break
    assert "cannot record into" in teller.status.error
    assert "start the run again under its name" in teller.status.error
    bag = run / "bags" / "policy_00000"
    recorded = [topic for topic, *_ in raw_messages(bag)].count("step")
    assert 3 <= recorded < 60
    assert not is_complete(bag)

    processes.end()
    teller.heard = False
    processes.node("rldg_rl", "recorder", run=run)
    teller.until(lambda: is_complete(bag), "the mended bag")
    assert read_summary(bag).steps == recorded


def test_bytes_that_are_no_episode_and_no_step_end_no_recorder(
    processes: Processes, teller: Teller
) -> None:
    recorder = processes.node("rldg_rl", "recorder", run=processes.folder / "run")
    teller.wait_for_recorder()
    for publisher in (teller.episode, teller.step):
        for bytes_ in (b"\0\1\0\0" + b"\xff" * 100, b"\0\1\0\0" + bytes(12)):
            publisher.publish(bytes_)
    teller.episode.publish(Episode(episode_id="policy_00000", source="policy"))
    teller.tell("policy_00000", 0)
    teller.until(lambda: teller.status.open and teller.status.steps == 1, "the step")
    assert recorder.poll() is None


def test_a_step_that_comes_before_its_episode_is_recorded(
    processes: Processes, teller: Teller
) -> None:
    run = processes.folder / "run"
    processes.node("rldg_rl", "recorder", run=run)
    teller.wait_for_recorder()
    teller.tell("policy_00000", 0)
    for _ in range(20):
        rclpy.spin_once(teller, timeout_sec=0.02)
    teller.episode.publish(Episode(episode_id="policy_00000", source="policy"))
    teller.until(lambda: teller.status.open and teller.status.steps == 1, "the early step")


def test_it_tells_which_streams_of_the_robot_it_has_not_heard(
    processes: Processes, teller: Teller
) -> None:
    streams = {topic.name: topic for topic in contract.LOOP if topic != contract.WRIST_IMAGE}
    processes.node("rldg_rl", "recorder", run=processes.folder / "run")
    teller.wait_for_recorder()
    assert list(teller.status.unheard) == [topic.name for topic in contract.LOOP]
    teller.tell("policy_00000", 0)
    teller.until(lambda: set(teller.status.unheard) == set(streams), "the image to be heard")
    robot = [(publish_on(teller, topic), message_class(topic)()) for topic in streams.values()]

    def heard() -> bool:
        for publisher, message in robot:  # best effort: some may get lost
            publisher.publish(message)
        return not teller.status.unheard

    teller.until(heard, "all to be heard")


def test_a_folder_that_cannot_be_written_is_a_clear_error(processes: Processes) -> None:
    (processes.folder / "file").write_text("")
    recorder = processes.node("rldg_rl", "recorder", run=processes.folder / "file" / "run")
    expect_exit(recorder, 2)
    assert "error: cannot record into" in recorder.log.read_text()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "policy_0/../../x", "mine", ""])
def test_an_episode_whose_name_leads_elsewhere_is_not_recorded(
    processes: Processes, teller: Teller, name: str
) -> None:
    run = processes.folder / "runs" / "run"
    recorder = processes.node("rldg_rl", "recorder", run=run)
    teller.wait_for_recorder()

    teller.episode.publish(Episode(episode_id=name, source="policy"))
    teller.tell(name, 0)
    teller.episode.publish(Episode(episode_id="policy_00000", source="policy"))
    teller.until(lambda: teller.status.open, "an open bag")

    assert teller.status.episode_id == "policy_00000"
    assert [bag.name for bag in (run / "bags").iterdir()] == ["policy_00000"]
    assert not list(processes.folder.rglob("*escaped*")) and not list(run.rglob("x"))
    assert f"an episode is not recorded, for {name!r} is no name of one" in said(recorder)
