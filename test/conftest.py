# SPDX-License-Identifier: Apache-2.0
"""Whole-stack tests: real processes, real DDS, real bags. Each test talks in a ROS domain of its own."""

from __future__ import annotations

import fcntl
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rclpy
from harness import Processes

DOMAINS = range(60, 100)


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[int]:
    """A ROS domain that no other test on this machine uses now, and that stays on this machine.

    Whatever became of the test, ROS is shut down after it: one that failed halfway takes no others with it.
    """
    with free_domain(zlib.crc32(request.node.nodeid.encode())) as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield number
        rclpy.try_shutdown()


@contextmanager
def free_domain(first: int) -> Iterator[int]:
    """Hold a domain. Suites of other checkouts run beside this one, so files tell who has which.

    Args:
        first: where the search begins; tests that begin apart do not meet what another may have left running.
    """
    for i in range(len(DOMAINS)):
        number = DOMAINS[(first + i) % len(DOMAINS)]
        with Path(tempfile.gettempdir(), f"ros_domain_{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RuntimeError(f"all ROS domains of {DOMAINS} are in use")


@pytest.fixture
def processes(tmp_path: Path, domain: int) -> Iterator[Processes]:
    """Starts processes in the test's domain."""
    started = Processes(tmp_path, dict(os.environ))
    yield started
    started.end()
