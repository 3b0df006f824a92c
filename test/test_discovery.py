# SPDX-License-Identifier: Apache-2.0
"""Who is found from where: real nodes on two hosts, which are network namespaces with a cable between them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from harness import wait_until

HERE, THERE = "10.213.77.1", "10.213.77.2"
CLOSED = Path(__file__).parents[1] / "src/rldg_bringup/config/fastdds_closed.xml"
TALK = """
import sys, time, rclpy
from std_msgs.msg import String
rclpy.init()
node, heard = rclpy.create_node(sys.argv[1]), set()
publisher = node.create_publisher(String, "talk", 10)
node.create_subscription(String, "talk", lambda m: heard.add(m.data), 10)
wanted, started = int(sys.argv[2]), time.monotonic()
end = started + 40.0
while time.monotonic() < end:
    publisher.publish(String(data=sys.argv[1]))
    rclpy.spin_once(node, timeout_sec=0.1)
    if len(heard) >= wanted:  # long enough for the others to hear it, too
        end, wanted = max(started + 6.0, time.monotonic() + 3.0), 9
print(*sorted(heard))
"""
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip"
)


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces; they and the cable go with the test."""
    names = tuple(f"rldg{os.getpid()}{end}" for end in "ab")
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip(
                "link",
                "add",
                "cable",
                "netns",
                names[0],
                "type",
                "veth",
                "peer",
                "name",
                "cable",
                "netns",
                names[1],
            )
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        for name, address in zip(names, (HERE, THERE), strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "cable", "up")
        # A node looks at its machine's addresses once, when it starts: the cable has to be in use by then.
        for name in names:
            wait_until(
                lambda name=name: not ip("-n", name, "address", "show", "tentative"),
                "the cable",
            )
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def talk(host: str, names: Sequence[str], wanted: int, **environment: str) -> subprocess.Popen[str]:
    """Nodes on a host; each says its name for seconds, until it heard so many, and prints whom it heard."""
    kept = {n: v for n, v in os.environ.items() if n != "FASTRTPS_DEFAULT_PROFILES_FILE"}
    node = shlex.join([sys.executable, "-c", TALK])
    # Shared memory is a machine's own, too.
    start = "mount -t tmpfs tmpfs /dev/shm; " + "".join(
        f"{node} {name} {wanted} & " for name in names
    )
    return subprocess.Popen(
        ["ip", "netns", "exec", host, "sh", "-c", f"{start} wait"],
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def heard(*hosts: subprocess.Popen[str]) -> list[str]:
    """What the nodes of all hosts printed."""
    return [line for host in hosts for line in host.communicate(timeout=60)[0].splitlines()]


@pytest.mark.usefixtures("domain")
def test_machines_that_name_each_other_meet(hosts: tuple[str, str]) -> None:
    here = talk(hosts[0], ["here"], 2, ROS_STATIC_PEERS=THERE)
    there = talk(hosts[1], ["there"], 2, ROS_STATIC_PEERS=HERE)
    assert heard(here, there) == ["here there"] * 2


@pytest.mark.usefixtures("domain")
def test_a_machine_without_peers_answers_no_other(hosts: tuple[str, str]) -> None:
    closed = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(CLOSED)}
    inside = talk(hosts[0], ["here", "too"], 2, **closed)
    stranger = talk(hosts[1], ["stranger"], 1, ROS_STATIC_PEERS=HERE)
    assert heard(inside, stranger) == ["here too", "here too", "stranger"]
