# SPDX-License-Identifier: Apache-2.0
"""Pictures that arrive between two processes, without and with the Fast DDS profile of rldg_bringup.

    source .rldg/env.sh && python bench/dds.py [seconds]

640x480 rgb8 at 30 and 60 Hz beside a pose at 100 Hz. `wrist_camera`: what that node makes of them, and its share of a
core.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_prefix
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from rldg_core.message_values import stamp_of

PROFILE = Path(__file__).parents[1] / "src/rldg_bringup/config/fastdds.xml"
SOURCE, SMALL = "camera/color/image_raw", "wrist_camera/color/image_raw"
QUIET_SECONDS = 2.0
"""without a picture, after which no more is to come"""
BYTES = 640 * 480 * 3


def send(rate: float, reliable: bool, seconds: float) -> None:
    """Publish pictures and poses, and print how many."""
    node = Node("sender")
    images = node.create_publisher(Image, SOURCE, qos(reliable))
    poses = node.create_publisher(PoseStamped, "current_pose", qos(reliable=False))
    image = Image(height=480, width=640, encoding="rgb8", step=1920, data=bytes(BYTES))
    sys.stdin.readline()  # once somebody listens
    time.sleep(0.5)
    began, sent, posed = time.monotonic(), 0, 0
    while (passed := time.monotonic() - began) < seconds:
        if passed * rate >= sent:
            image.header.stamp = node.get_clock().now().to_msg()
            images.publish(image)
            sent += 1
        if passed * 100 >= posed:
            poses.publish(PoseStamped())
            posed += 1
        time.sleep(0.001)
    print(sent)
    time.sleep(1.0)


def receive(topic: str, reliable: bool, seconds: float) -> None:
    """Print when all is set up; then how many arrived, and the median and the 99th percentile of their delays [ms]."""
    node = Node("receiver")
    delays: list[float] = []

    def arrived(cdr: bytes) -> None:
        delays.append((time.time_ns() - stamp_of(cdr)) / 1e6)

    node.create_subscription(Image, topic, arrived, qos(reliable), raw=True)
    while not node.count_publishers(topic):
        time.sleep(0.01)
    print("listening", flush=True)
    last = time.monotonic() + seconds
    while time.monotonic() < last + QUIET_SECONDS:
        before = len(delays)
        rclpy.spin_once(node, timeout_sec=0.1)
        last = max(last, time.monotonic()) if len(delays) > before else last
    delays = sorted(delays) or [float("nan")]
    print(len(delays), statistics.median(delays), delays[int(0.99 * (len(delays) - 1))])


def qos(reliable: bool) -> QoSProfile:
    """The last one only."""
    policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=policy)


class Setting:
    """One line of the table."""

    def __init__(self, rate: float, profiled: bool, seconds: float) -> None:
        self._rate, self._profiled, self._seconds = rate, profiled, seconds
        profile = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE)} if profiled else {}
        own = {name: value for name, value in os.environ.items() if "PROFILES_FILE" not in name}
        self._environment = {**own, **profile}

    def plain(self, reliable: bool) -> None:
        """The driver's topic."""
        self._line("reliable" if reliable else "best effort", *self._pass_on(SOURCE, reliable)[:2])

    def through_the_node(self) -> None:
        """What `wrist_camera` publishes."""
        program = Path(get_package_prefix("rldg_robot"), "lib/rldg_robot/wrist_camera")
        node = subprocess.Popen([program], env=self._environment, stderr=subprocess.DEVNULL)
        try:
            sent, received, spent = self._pass_on(SMALL, reliable=True, counted=node.pid)
            share = f"{100 * spent / self._seconds:.0f} % of a core"
            self._line(f"wrist_camera, {share}", sent, received)
        finally:
            node.terminate()
            node.wait()

    def _pass_on(self, topic: str, reliable: bool, counted: int = 0) -> tuple[str, str, float]:
        """What the two processes say, and the CPU seconds that a third one took meanwhile."""
        sender = self._start("send", str(self._rate), str(reliable))
        receiver = self._start("receive", topic, str(reliable))
        assert receiver.stdout is not None
        receiver.stdout.readline()
        before = cpu_seconds(counted or os.getpid())
        sent, _ = sender.communicate("go\n")
        spent = cpu_seconds(counted or os.getpid()) - before
        return sent, receiver.communicate()[0], spent

    def _start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, *words, str(self._seconds)]
        return subprocess.Popen(
            command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _line(self, how: str, sent: str, received: str) -> None:
        got, median, p99 = map(float, received.split())
        print(
            f"{self._rate:3.0f} Hz  {'profile' if self._profiled else 'default':8}  {how:30}  "
            f"{got:4.0f} of {int(sent):4d}  {median:6.1f} ms  {p99:6.1f} ms",
            flush=True,
        )


def cpu_seconds(pid: int) -> float:
    """Of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure all, or be one of the two processes."""
    verb, *words = sys.argv[1:] or ["8"]
    if verb in ("send", "receive"):
        first, reliable, seconds = words
        rclpy.init()
        if verb == "send":
            send(float(first), reliable == "True", float(seconds))
        else:
            receive(first, reliable == "True", float(seconds))
        rclpy.shutdown()
        return
    print(f"{'':48}  {'arrived':>12}  {'median':>9}  {'99 %':>9}")
    for rate in (30.0, 60.0):
        for profiled in (False, True):
            setting = Setting(rate, profiled, float(verb))
            setting.plain(reliable=False)
            setting.plain(reliable=True)
            setting.through_the_node()


if __name__ == "__main__":
    main()
