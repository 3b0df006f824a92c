# SPDX-License-Identifier: Apache-2.0
"""How good the driver of a real arm is, before the simulated FCI, beside franky alone: without ROS, the same impedance.

    source .rldg/env.sh && python bench/fci.py [--seconds 20] [--address 127.0.0.9]

Both are measured in the same run, one after the other, each in a process of its own and read off at 100 Hz; absolute
figures move with the machine and the hour.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import rclpy
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node

from rldg_robot import contract
from rldg_robot.arm.site_file import Site
from rldg_robot.fci.arm import FciArm
from rldg_robot.message_values import SECOND, nanoseconds, pose_of
from rldg_robot.poses import Pose
from rldg_robot.ros import listen_to, make_executor, publish_on, to_pose_stamped
from rldg_robot.task import load_task

TASK = load_task("connector/vga")
LOOK = 0.01  # [s] between two looks at the pose
STEP = 0.01  # [m] of a target
MOVED = 0.0005  # [m] that count as motion
TRIALS = 30


class Client(Protocol):
    """Somebody who drives the arm."""

    def pose(self) -> Pose:
        """The newest."""

    def moment(self) -> float:
        """When that was measured [s of wall time]."""

    def send(self, target: Pose) -> None:
        """A target."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""

    def observe(self, after: float) -> float:
        """Wait for a state that was measured at `after` or later [s of wall time]; returns when it was."""


@dataclass
class Figures:
    """What one client reached."""

    first_motion: float
    """[ms] median from a target to the measurement of 0.5 mm of motion"""
    first_motion_p90: float
    """[ms]"""
    motion_known: float
    """[ms] median until the client has that measurement"""
    jitter: float
    """[ms] standard deviation of the 10 Hz loop's periods"""
    jitter_p99: float
    """[ms] from 100, either way"""
    cpu: float
    """of one core, of the process that speaks to the robot"""
    success_rate: float
    """least share of commands in time over 100 ms"""


class Alone:
    """franky in this process."""

    def __init__(self, address: str) -> None:
        self.arm = FciArm(Site(robot_ip=address), TASK.compliance)
        self.rates: list[float] = []
        self._moment = 0.0

    def pose(self) -> Pose:
        """See `Client`."""
        state, self._moment = self.arm.state(), time.time()
        if self.arm.following:
            self.rates.append(state.success_rate)
        return state.pose

    def moment(self) -> float:
        """See `Client`."""
        return self._moment

    def send(self, target: Pose) -> None:
        """See `Client`."""
        self.arm.follow(target)

    def wait(self, seconds: float) -> None:
        """See `Client`."""
        time.sleep(max(0.0, seconds))

    def observe(self, after: float) -> float:
        """See `Client`."""
        self.wait(after - time.time())
        self.pose()
        return time.time()


class Through:
    """The driver's topics."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = Node("bench")
        self.executor = make_executor(self.node)
        self.latest: PoseStamped | None = None
        self.rates: list[float] = []
        listen_to(self.node, contract.CURRENT_POSE, lambda m: setattr(self, "latest", m))
        listen_to(self.node, contract.DIAGNOSTICS, self._on_diagnostics)
        self.target = publish_on(self.node, contract.TARGET_POSE)
        while self.latest is None or self.target.get_subscription_count() == 0:
            self.executor.spin_once(timeout_sec=0.1)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for value in message.status[0].values:
            if value.key == "control_command_success_rate" and value.value[0].isdigit():
                self.rates.append(float(value.value))

    def pose(self) -> Pose:
        """See `Client`."""
        assert self.latest is not None
        return pose_of(self.latest.pose)

    def moment(self) -> float:
        """See `Client`."""
        assert self.latest is not None
        return nanoseconds(self.latest.header.stamp) / SECOND

    def send(self, target: Pose) -> None:
        """See `Client`."""
        self.target.publish(to_pose_stamped(target, 0, "base"))

    def wait(self, seconds: float) -> None:
        """See `Client`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def observe(self, after: float) -> float:
        """See `Client`."""
        while (measured := self.moment()) < after - 0.001:
            self.executor.spin_once(timeout_sec=1.0)
        return measured


def measure(client: Client, pid: Callable[[], int], rates: list[float], seconds: float) -> Figures:
    """First motions, then a loop at 10 Hz that waves."""
    home = client.pose()
    client.send(home)
    client.wait(1.0)
    rates.clear()
    used, began = sum(psutil.Process(pid()).cpu_times()[:2]), time.monotonic()
    trials = [first_motion(client, home, 1 if i % 2 else -1) for i in range(TRIALS)]
    delays, known = zip(*trials, strict=True)
    periods = wave(client, home, seconds)
    client.wait(1.1)
    used = sum(psutil.Process(pid()).cpu_times()[:2]) - used
    off = np.abs(np.array(periods) - TASK.period)
    return Figures(
        first_motion=1e3 * float(np.median(delays)),
        first_motion_p90=1e3 * float(np.percentile(delays, 90)),
        motion_known=1e3 * float(np.median(known)),
        jitter=1e3 * float(np.std(periods)),
        jitter_p99=1e3 * float(np.percentile(off, 99)),
        cpu=used / (time.monotonic() - began),
        success_rate=min(rates, default=0.0),
    )


def first_motion(client: Client, home: Pose, sign: int) -> tuple[float, float]:
    """[s] from a target aside to the measurement of the first motion there, and until that is known."""
    before = client.pose().position[1]
    sent = time.time()
    client.send(Pose(home.position + [0.0, sign * STEP, 0.0], home.quaternion))
    while abs(client.pose().position[1] - before) < MOVED:
        client.wait(LOOK)
    known = time.time()
    delays = client.moment() - sent, known - sent
    client.wait(0.4)
    return delays


def wave(client: Client, home: Pose, seconds: float) -> list[float]:
    """The actor's loop: a target, then the state of one control period later; returns the periods [s] of wall time."""
    measured, moments = client.observe(0.0), []
    for i in range(round(seconds / TASK.period)):
        aside = 0.02 * np.sin(0.15 * i)
        client.send(Pose(home.position + [0.0, aside, 0.0], home.quaternion))
        measured = client.observe(measured + TASK.period)
        moments.append(time.monotonic())
    return np.diff(moments).tolist()


def start(*command: str) -> subprocess.Popen[bytes]:
    """A process of its own."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def node(name: str, **parameters: object) -> subprocess.Popen[bytes]:
    """A node of the project."""
    path = str(Path(get_package_prefix("rldg_robot"), "lib", "rldg_robot", name))
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    return start(path, "--ros-args", *words)


def alone(address: str, seconds: float) -> Figures:
    """Measured in a fresh process, so that nothing of ROS is in it."""
    words = [sys.executable, __file__, "--alone", "--address", address, "--seconds", str(seconds)]
    out = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    return Figures(**json.loads(out.splitlines()[-1]))


def through_ros(address: str, seconds: float) -> Figures:
    """The driver's process is what is charged."""
    driver = node("fci", task=TASK.id, robot_ip=address)
    try:
        client = Through()
        return measure(client, lambda: driver.pid, client.rates, seconds)
    finally:
        driver.send_signal(signal.SIGINT)
        driver.wait()


def main() -> None:
    """Print both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the 10 Hz loop")
    parser.add_argument("--address", default="127.0.0.9", help="for the simulated arm")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        client = Alone(arguments.address)
        figures = measure(client, os.getpid, client.rates, arguments.seconds)
        client.arm.close()
        print(json.dumps(asdict(figures)))
        return
    simulator = node("fci_simulator", task=TASK.id, address=arguments.address)
    try:
        plain = alone(arguments.address, arguments.seconds)
        ours = through_ros(arguments.address, arguments.seconds)
    finally:
        simulator.send_signal(signal.SIGINT)
        simulator.wait()
    print(f"{'':24}{'driver':>10}{'franky':>10}{'ratio':>8}")
    for name, value in asdict(ours).items():
        beside = asdict(plain)[name]
        ratio = f"{value / beside:.2f}" if beside else "–"
        print(f"{name:24}{value:10.3f}{beside:10.3f}{ratio:>8}")


if __name__ == "__main__":
    main()
