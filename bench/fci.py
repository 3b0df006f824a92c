# SPDX-License-Identifier: Apache-2.0
"""How good the driver of a real arm is, before the simulated FCI, beside franky alone: without ROS, the same impedance.

    source .rldg/env.sh && python bench/fci.py [--seconds 20] [--address 127.0.0.9] [--learner]

Both are measured in the same run, one after the other, each in a process of its own and read off at 100 Hz; absolute
figures move with the machine and the hour. A loop sleeps until the next tenth of a second, then takes the newest pose;
it runs at the same real-time priority in both, where that is permitted. One more waits, as the actor does, for a pose
that is measured a tenth of a second after its last one: it swings more, but what it takes is new. `--learner` lets one
train beside both, without a pause, on one thread.
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
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import rclpy
import torch
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from learner import ACTION_DIM, OBSERVATION_DIM, filled_buffer
from numpy.typing import NDArray
from rclpy.node import Node

from rldg_core import contract
from rldg_core.message_values import SECOND, nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.site_file import Site
from rldg_core.task import load_task
from rldg_rl.agent.agent import Agent
from rldg_rl.agent_config import AgentConfig
from rldg_robot.fci.arm import AFTER, FciArm
from rldg_robot.ros import listen_to, make_executor, publish_on
from rldg_robot.ros_values import to_pose_stamped

Array = NDArray[np.float64]

TASK = load_task("connector/vga")
LOOK = 0.01  # [s] between two looks at the pose
STEP = 0.01  # [m] of a target
MOVED = 0.0005  # [m] that count as motion
TRIALS = 30
TOLERANCE = 0.001  # [s] that a measurement may be early


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

    def observe(self, after: float) -> None:
        """Wait for a pose that was measured at `after` or later [s of wall time]."""

    def lost(self) -> float:
        """Commands that reached the robot too late, so far."""


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
    age: float
    """[ms] mean, of the pose that the loop takes"""
    waiting_jitter: float
    """[ms] as `jitter`, of the loop that waits for a pose"""
    waiting_age: float
    """[ms] as `age`"""
    cpu: float
    """of one core, of the process that speaks to the robot"""
    lost_cycles: float
    """commands that reached the robot too late, of 1,000 a second, while the loops ran"""


class Alone:
    """franky in this process, read 100 times a second, as the driver reads it."""

    def __init__(self, address: str) -> None:
        self.arm = FciArm(Site(robot_ip=address), TASK.compliance)
        self._moment = 0.0

    def pose(self) -> Pose:
        """See `Client`."""
        state, self._moment = self.arm.state(), time.time()
        return state.pose

    def moment(self) -> float:
        """See `Client`."""
        return self._moment

    def send(self, target: Pose) -> None:
        """See `Client`."""
        self.arm.follow(target)

    def wait(self, seconds: float) -> None:
        """See `Client`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > LOOK:
            time.sleep(LOOK)
            self.pose()
        time.sleep(max(0.0, left))

    def observe(self, after: float) -> None:
        """See `Client`."""
        self.wait(after - time.time())
        self.pose()

    def lost(self) -> float:
        """See `Client`."""
        return self.arm.lost_cycles


class Through:
    """The driver's topics."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = Node("bench")
        self.executor = make_executor(self.node)
        self.latest: PoseStamped | None = None
        self._lost = 0.0
        listen_to(self.node, contract.CURRENT_POSE, lambda m: setattr(self, "latest", m))
        listen_to(self.node, contract.DIAGNOSTICS, self._on_diagnostics)
        self.target = publish_on(self.node, contract.TARGET_POSE)
        while self.latest is None or self.target.get_subscription_count() == 0:
            self.executor.spin_once(timeout_sec=0.1)
        # As urgent as FciArm is in its own process.
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(AFTER))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for value in message.status[0].values:
            if value.key == "lost_cycles":
                self._lost = float(value.value)

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

    def observe(self, after: float) -> None:
        """See `Client`."""
        while self.moment() < after:
            self.executor.spin_once(timeout_sec=1.0)

    def lost(self) -> float:
        """See `Client`; told once a second."""
        self.wait(1.1)
        return self._lost


def measure(client: Client, pid: Callable[[], int], seconds: float) -> Figures:
    """First motions, then a loop at 10 Hz that waves."""
    home = client.pose()
    client.send(home)
    client.wait(1.0)
    trials = [first_motion(client, home, 1 if i % 2 else -1) for i in range(TRIALS)]
    delays, known = zip(*trials, strict=True)
    lost, used, began = client.lost(), processor_time(pid()), time.monotonic()
    periods, ages = wave(client, home, seconds, waiting=False)
    waiting_periods, waiting_ages = wave(client, home, seconds, waiting=True)
    used, took = processor_time(pid()) - used, time.monotonic() - began
    return Figures(
        first_motion=1e3 * float(np.median(delays)),
        first_motion_p90=1e3 * float(np.percentile(delays, 90)),
        motion_known=1e3 * float(np.median(known)),
        jitter=1e3 * float(np.std(periods)),
        jitter_p99=1e3 * float(np.percentile(np.abs(periods - TASK.period), 99)),
        age=1e3 * float(np.mean(ages)),
        waiting_jitter=1e3 * float(np.std(waiting_periods)),
        waiting_age=1e3 * float(np.mean(waiting_ages)),
        cpu=used / took,
        lost_cycles=client.lost() - lost,
    )


def processor_time(pid: int) -> float:
    """[s] that a process has used so far."""
    return sum(psutil.Process(pid).cpu_times()[:2])


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


def wave(client: Client, home: Pose, seconds: float, waiting: bool) -> tuple[Array, Array]:
    """A loop that sends a target every tenth of a second; its periods, and the poses' ages when it took them [s]."""
    moments, ages = [], []
    client.pose()
    due, measured = time.monotonic(), client.moment()
    for i in range(round(seconds / TASK.period)):
        due += TASK.period
        if waiting:
            client.observe(measured + TASK.period - TOLERANCE)
        else:
            client.wait(due - time.monotonic())
        moments.append(time.monotonic())
        client.pose()
        measured = client.moment()
        ages.append(time.time() - measured)
        aside = 0.02 * np.sin(0.15 * i)
        client.send(Pose(home.position + [0.0, aside, 0.0], home.quaternion))
    return np.diff(moments), np.array(ages)


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
        return measure(Through(), lambda: driver.pid, seconds)
    finally:
        driver.send_signal(signal.SIGINT)
        driver.wait()


def learn() -> None:
    """Train for ever, as the learner does: on one thread, with what came from the robot."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    buffer = filled_buffer(rng, OBSERVATION_DIM)
    agent = Agent(AgentConfig(), OBSERVATION_DIM, ACTION_DIM, 0)
    while True:
        for full in (False, True):
            agent.update(buffer.sample(AgentConfig().batch_size, rng), full)


def main() -> None:
    """Print both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each loop")
    parser.add_argument("--address", default="127.0.0.9", help="for the simulated arm")
    parser.add_argument("--learner", action="store_true", help="one trains beside them")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--learn", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.learn:
        learn()
    if arguments.alone:
        client = Alone(arguments.address)
        figures = measure(client, os.getpid, arguments.seconds)
        client.arm.close()
        print(json.dumps(asdict(figures)))
        return
    beside = [node("fci_simulator", task=TASK.id, address=arguments.address)]
    if arguments.learner:
        beside.append(start(sys.executable, __file__, "--learn"))
    try:
        plain = alone(arguments.address, arguments.seconds)
        ours = through_ros(arguments.address, arguments.seconds)
    finally:
        for process in beside:
            process.terminate()
            process.wait()
    print(f"{'':24}{'driver':>10}{'franky':>10}{'ratio':>8}")
    for name, value in asdict(ours).items():
        reference = asdict(plain)[name]
        ratio = f"{value / reference:.2f}" if reference else "–"
        print(f"{name:24}{value:10.3f}{reference:10.3f}{ratio:>8}")


if __name__ == "__main__":
    main()
