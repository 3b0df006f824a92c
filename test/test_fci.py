# SPDX-License-Identifier: Apache-2.0
"""The driver of a real arm in the running graph, before a simulated FCI that it speaks to over the real wire."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from harness import Processes, executable, expect_exit, spin_until
from lab import Lab, raised
from rclpy.node import Node

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of, read_summary
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_msgs.srv import Reset
from rldg_robot.fci.camera_process import CameraProcess
from rldg_robot.ros import listen_to
from rldg_robot.simulation.torque_twin import TorqueTwin

VGA = load_task("connector/vga")
STOP_AFTER = 1.5


@pytest.fixture
def address(domain: int) -> str:
    return f"127.0.1.{domain}"


@pytest.fixture
def lab(processes: Processes, address: str) -> Iterator[Lab]:
    processes.node("rldg_robot", "fci_simulator", task=VGA.id, address=address)
    processes.node("rldg_robot", "fci", task=VGA.id, robot_ip=address, stop_after=STOP_AFTER)
    rclpy.init()
    lab = Lab("fci")
    lab.meet_driver()
    yield lab
    lab.destroy_node()
    rclpy.shutdown()


def test_targets_move_the_arm_and_their_silence_holds_and_then_stops_it(lab: Lab) -> None:
    start = lab.pose
    offset = VGA.goal_pose.relative_to(start)
    assert np.allclose(pose_of(lab.task_state.offset).position, offset.position, atol=1e-3)
    assert not lab.task_state.success
    count = len(lab.poses)
    lab.until(lambda: len(lab.poses) - count > 50)

    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)
    lab.drive(raised(start, 0.01), lambda: lab.said.get("message") == "follows targets")
    lab.until(lambda: lab.said.get("message") == "idle")
    assert lab.said["target_age"] == "no target"
    where = lab.pose
    lab.wait(0.5)
    assert np.linalg.norm(lab.pose.position - where.position) < 1e-3, "the robot holds itself"
    # And whoever speaks again is heard again.
    lab.drive(raised(start, 0.02), lambda: lab.height_above(start) > 0.017)


def test_a_flood_costs_nothing_and_what_is_no_pose_moves_nothing(lab: Lab) -> None:
    start = lab.pose
    for i in range(2000):
        lab.send(raised(start, 0.01 * np.sin(i)))
    there = raised(start, 0.012)
    lab.drive(there, lambda: abs(lab.height_above(start) - 0.012) < 0.002)
    # One after the other: only the newest counts, of these too.
    lab.send(Pose(np.full(3, np.nan), start.quaternion))
    lab.until(lambda: lab.said.get("rejected") == "1")
    lab.send(Pose(start.position, 3.0 * start.quaternion))
    lab.until(lambda: lab.said.get("rejected") == "2")
    assert abs(lab.height_above(start) - 0.012) < 0.002


def test_no_reset_puts_the_arm_anywhere(lab: Lab) -> None:
    start = lab.pose

    def ask(**words: object) -> Reset.Response:
        answer = lab.reset.call_async(Reset.Request(**words))
        lab.until(answer.done)
        return answer.result()

    lab.until(lab.reset.service_is_ready)
    refused = ask(seed=1, task=VGA.id)
    assert not refused.success and "resets:=motion" in refused.message
    assert not ask(seed=1, task="connector/xlr", stay=True).success
    stayed = ask(seed=1, task=VGA.id, stay=True)
    assert stayed.success
    lab.until(lambda: nanoseconds(lab.poses[-1].header.stamp) > nanoseconds(stayed.stamp))
    assert np.linalg.norm(lab.pose.position - start.position) < 1e-3


def test_kill_9_of_the_driver_and_then_of_the_robot(
    lab: Lab, processes: Processes, address: str
) -> None:
    start = lab.pose
    simulator, driver = processes.started
    lab.drive(raised(start, 0.01), lambda: lab.height_above(start) > 0.008)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    again = processes.node("rldg_robot", "fci", task=VGA.id, robot_ip=address)
    lab.meet_driver()
    assert lab.height_above(start) > 0.005, "the arm stayed where it was"
    lab.drive(raised(start, 0.02), lambda: lab.height_above(start) > 0.017)

    simulator.send_signal(signal.SIGKILL)
    simulator.wait()
    lab.wait(0.2)
    count = len(lab.poses)
    lab.until(lambda: again.poll() is not None)
    assert again.returncode == 1 and len(lab.poses) == count, "no last state under a fresh stamp"
    assert "the connection to the arm broke" in again.log.read_text() or (
        "does not answer any more" in again.log.read_text()
    )


def test_a_person_recovers_the_arm_from_a_terminal(lab: Lab, processes: Processes) -> None:
    command = processes.start(executable("rldg_robot", "arm"), "recover")
    lab.until(lambda: command.poll() is not None)
    assert command.returncode == 0
    assert "there was nothing to recover from" in command.log.read_text()


def test_the_camera_draws_what_it_was_shown_and_misses_moments_rather_than_make_wait(
    domain: int,
) -> None:
    rclpy.init()
    node, seen = Node("viewer"), {}
    listen_to(node, contract.WRIST_IMAGE, lambda m: seen.update({nanoseconds(m.header.stamp): m}))
    world, camera = TorqueTwin(VGA, image_size=64), CameraProcess(VGA.id, 64)

    def picture(positions: np.ndarray, stamp: int) -> bytes:
        def there() -> bool:
            camera.show(positions, stamp)
            return stamp in seen

        spin_until(node, there, "a picture")
        return bytes(seen[stamp].data)

    try:
        turned = world.data.qpos.copy()
        turned[0] += 0.05
        for positions, stamp in ((world.data.qpos.copy(), 1), (turned, 2)):
            world.pose_as(positions)
            assert picture(positions, stamp) == world.image().tobytes()
        for stamp in range(3, 20_000):  # far more than it can draw, or a pipe hold
            camera.show(turned, stamp)
        assert len(picture(turned, 20_000)) == 64 * 64 * 3
        assert len(seen) < 20_000
    finally:
        camera.close()
        node.destroy_node()


def test_the_operator_inserts_through_the_whole_stack(processes: Processes, address: str) -> None:
    run = processes.folder / "runs" / "real"
    words = {"runs": run.parent, "name": run.name, "task": VGA.id, "robot": "fci"}
    stack = processes.stack("collect", source="operator", episodes=1, robot_ip=address, **words)
    expect_exit(stack)
    bags = sorted((run / "bags").iterdir())
    done = [bag for bag in bags if read_summary(bag).status == "success"]
    assert len(done) == 1
    resets = json.loads((run / "summary.json").read_text())["resets"]
    assert resets["count"] >= 1
    for bag in done:
        last = messages_of(bag, contract.TASK_STATE)[-1]
        assert abs(last.offset.position.z) < 0.003 and last.success
        passed = [pose_of(message.pose) for message in messages_of(bag, contract.TARGET_POSE)]
        assert len(passed) > 10 and all(target.is_finite() for target in passed)
