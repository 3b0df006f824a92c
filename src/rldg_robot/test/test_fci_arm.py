# SPDX-License-Identifier: Apache-2.0
"""Arm and hand over the real wire: libfranka here, the simulated FCI in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from rldg_core.poses import Pose
from rldg_core.site_file import Site
from rldg_core.task import Compliance, ErrorClip, load_task
from rldg_core.user_error import UserError
from rldg_robot.fci.arm import ArmLost, FciArm, tightest
from rldg_robot.fci.gripper import FciGripper
from rldg_robot.simulation.twin import Twin

VGA = load_task("connector/vga")
NETWORK = f"127.{1 + os.getpid() // 250 % 250}.{os.getpid() % 250}"
"""two runs of these tests on one machine do not meet"""
ADDRESS, OWN_ADDRESS = f"{NETWORK}.1", f"{NETWORK}.2"
"""of the arm that the tests share, and of the one that a test has for itself"""


@contextmanager
def server(task: str, address: str = OWN_ADDRESS) -> Iterator[subprocess.Popen[bytes]]:
    source = str(Path(__file__).with_name("fci_server.py"))
    process = subprocess.Popen([sys.executable, source, address, task])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def connected(address: str, compliance: Compliance = VGA.compliance) -> Iterator[FciArm]:
    arm = FciArm(Site(robot_ip=address), compliance, patience=60.0)
    try:
        yield arm
    finally:
        arm.close()


@pytest.fixture(scope="module")
def vga() -> Iterator[subprocess.Popen[bytes]]:
    with server(VGA.id, ADDRESS) as process:
        yield process


@pytest.fixture
def arm(vga: subprocess.Popen[bytes]) -> Iterator[FciArm]:
    with connected(ADDRESS) as arm:
        yield arm


def travel(arm: FciArm, goal: Pose, step: float = 0.01, near: float = 0.003) -> None:
    """In steps, as the gate lets targets through."""

    def arrived() -> bool:
        state = arm.state()
        left = goal.relative_to(state.pose)
        distance = float(np.linalg.norm(left.position))
        part = min(1.0, step / max(distance, 1e-9))
        arm.follow(state.pose @ Pose.from_rotvec(part * left.position, part * left.rotvec))
        time.sleep(0.05)
        return distance < near and bool(np.linalg.norm(state.twist) < 0.05)

    until(arrived)
    arm.follow(goal)


def test_it_measures_what_the_simulated_world_is_like(arm: FciArm) -> None:
    state, twin = arm.state(), Twin(VGA)
    assert np.allclose(state.pose.position, twin.pose.position, atol=0.002)
    assert np.linalg.norm(state.pose.relative_to(twin.pose).rotvec) < 0.01
    assert np.allclose(state.joint_positions, twin.joint_positions[:7], atol=0.02)
    assert state.mode == "Idle" and state.errors == () and not arm.following
    assert np.linalg.norm(state.wrench[:3]) < 2.0


def test_it_goes_to_a_target_stops_and_goes_on(arm: FciArm) -> None:
    start = arm.state().pose
    up = Pose(start.position + [0.0, 0.0, 0.01], start.quaternion)
    arm.follow(up)
    until(lambda: np.allclose(arm.state().pose.position, up.position, atol=0.002))
    assert arm.following and arm.state().mode == "Move" and arm.state().success_rate > 0.0
    arm.stop()
    until(lambda: not arm.following)
    assert arm.trouble() == "" and np.allclose(arm.state().pose.position, up.position, atol=0.004)
    arm.follow(start)
    until(lambda: np.allclose(arm.state().pose.position, start.position, atol=0.002))


def test_python_is_never_as_urgent_as_the_control_loop(arm: FciArm) -> None:
    arm.follow(arm.state().pose)
    until(lambda: arm.following)
    own = os.sched_getparam(0).sched_priority
    others = [
        os.sched_getparam(int(thread)).sched_priority for thread in os.listdir("/proc/self/task")
    ]
    assert own <= 1 and (own == 0 or max(others) == 99), "where it may be urgent at all"


def test_what_is_no_pose_is_never_followed(arm: FciArm) -> None:
    start = arm.state().pose
    arm.follow(start)
    for bad in (
        Pose(np.full(3, np.nan), start.quaternion),
        Pose(start.position, 2.0 * start.quaternion),
        Pose(start.position, np.zeros(4)),
    ):
        with pytest.raises(ValueError, match="not a pose"):
            arm.follow(bad)
    nearly = Pose(start.position, (1.0 + 4e-4) * start.quaternion)
    arm.follow(nearly)  # within what counts as a pose
    time.sleep(0.3)
    assert arm.following and np.allclose(arm.state().pose.position, start.position, atol=0.002)


def test_pressed_onto_the_board_it_feels_what_the_spring_exerts(arm: FciArm) -> None:
    goal = VGA.goal_pose
    beside = goal @ Pose.from_rotvec([0.02, 0.02, -0.012], np.zeros(3))
    travel(arm, beside)
    arm.follow(goal @ Pose.from_rotvec([0.02, 0.02, 0.03], np.zeros(3)))
    until(lambda: arm.state().wrench[2] < -10.0)
    time.sleep(0.3)
    # The board pushes back, against z of the TCP, with stiffness times clip: 2000 N/m, 10 mm.
    assert -26.0 < arm.state().wrench[2] < -14.0
    travel(arm, beside)
    assert arm.trouble() == ""


def test_a_second_client_after_kill_9_of_the_first(vga: subprocess.Popen[bytes]) -> None:
    code = (
        "import sys, time; from rldg_robot.fci.arm import *; from rldg_core.task import load_task\n"
        f"arm = FciArm(Site(robot_ip='{ADDRESS}'), load_task('{VGA.id}').compliance)\n"
        "arm.follow(arm.state().pose); time.sleep(0.5); print('follows', arm.following, flush=True); time.sleep(60)"
    )
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert first.stdout is not None and first.stdout.readline() == b"follows True\n"
    first.kill()
    first.wait()
    with connected(ADDRESS) as arm:
        pose = arm.state().pose
        arm.follow(Pose(pose.position + [0.0, 0.0, 0.005], pose.quaternion))
        until(lambda: arm.state().pose.position[2] > pose.position[2] + 0.003)


def test_cycles_in_which_the_client_is_asleep_are_lost_and_counted(
    vga: subprocess.Popen[bytes],
) -> None:
    """The client, put to sleep for 100 ms, says every second how much the robot's clock and its loss have grown."""
    code = (
        "import time; from rldg_robot.fci.arm import *; from rldg_core.task import load_task\n"
        f"arm = FciArm(Site(robot_ip='{ADDRESS}'), load_task('{VGA.id}').compliance)\n"
        "arm.follow(arm.state().pose)\n"
        "while True:\n"
        "    for _ in range(100): time.sleep(0.01); state = arm.state()\n"
        "    print(state.clock, arm.lost_cycles, flush=True)"
    )
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)

    def reported() -> tuple[float, float]:
        assert client.stdout is not None
        clock, lost = map(float, client.stdout.readline().split())
        return clock, lost

    began, before = reported()
    client.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    client.send_signal(signal.SIGCONT)
    reported()
    ended, after = reported()
    client.kill()
    client.wait()
    assert 70.0 < after - before < 1000.0 * (ended - began)


def test_without_a_server_the_error_says_what_to_look_at() -> None:
    with pytest.raises(UserError, match=r"no FCI answers at 127\.9\.9\.9.*activated in Desk"):
        FciArm(Site(robot_ip="127.9.9.9"), VGA.compliance, patience=0.0)


def test_a_server_of_another_version_is_no_matter_of_waiting() -> None:
    listener = socket.create_server(("127.9.9.8", 1337))

    def refuse() -> None:
        client, _ = listener.accept()
        _, number, _ = struct.unpack("<III", client.recv(4096)[:12])
        client.sendall(struct.pack("<IIIHH4x", 0, number, 20, 1, 5))  # incompatible; speaks 5
        time.sleep(1.0)
        client.close()

    threading.Thread(target=refuse, daemon=True).start()
    with listener, pytest.raises(UserError, match="uses another version"):
        FciArm(Site(robot_ip="127.9.9.8"), VGA.compliance, patience=60.0)


def test_a_server_that_goes_away_is_missed_under_way_and_at_rest() -> None:
    for moving in (True, False):
        with server(VGA.id) as process, connected(OWN_ADDRESS) as arm:
            if moving:
                arm.follow(arm.state().pose)
                until(lambda: arm.following)
            process.kill()
            process.wait()

            def lost() -> bool:
                try:
                    arm.state()
                    return bool(arm.trouble())
                except ArmLost:
                    return True

            until(lost)


def test_the_hand_grasps_and_the_arm_lifts() -> None:
    task = load_task("pick_place/pepper")
    twin = Twin(task)
    grasp = twin.goal
    with server(task.id), connected(OWN_ADDRESS, task.compliance) as arm:
        hand = FciGripper(OWN_ADDRESS)
        above = Pose(grasp.position + [0.0, 0.0, 0.06], grasp.quaternion)
        travel(arm, above)
        travel(arm, grasp)
        began = time.monotonic()
        for width in (0.08, 0.07, 0.0):  # the newest counts
            hand.command(width, 0.1, 30.0)
        assert time.monotonic() - began < 0.05, "nobody waits for a hand"
        until(lambda: hand.reading.grasped)
        held = hand.reading.width
        assert 0.01 < held < 0.075
        travel(arm, above)
        time.sleep(0.5)
        assert hand.reading.grasped and abs(hand.reading.width - held) < 0.003
        hand.command(0.08, 0.1, 30.0)
        until(lambda: hand.reading.width > 0.075)
        assert not hand.reading.grasped and hand.fault == ""
        hand.close()


def test_the_tightest_bound_of_a_clip_holds_in_every_direction() -> None:
    assert tightest(ErrorClip((-0.015, -0.015, -0.02), (0.015, 0.015, 0.01))) == 0.01
