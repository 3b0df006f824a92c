# SPDX-License-Identifier: Apache-2.0
"""Whole-stack tests: real processes, real DDS, real bags. Each test talks in a ROS domain of its own."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from domains import free_domain
from harness import Processes


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


@pytest.fixture
def processes(tmp_path: Path, domain: int) -> Iterator[Processes]:
    """Starts processes in the test's domain."""
    started = Processes(tmp_path, dict(os.environ))
    yield started
    started.end()
