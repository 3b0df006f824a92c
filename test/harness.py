# SPDX-License-Identifier: Apache-2.0
"""Starts real nodes and stacks for tests, and ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node


def executable(package: str, name: str) -> str:
    """Path of an installed node."""
    return str(Path(get_package_prefix(package), "lib", package, name))


PATIENCE = 400
"""[s] for what takes seconds, or at most a minute and a half: what takes longer hangs, however busy the machine"""


def said(process: subprocess.Popen[bytes]) -> str:
    """What a process printed, and the nodes of the runs in its folder."""
    log: Path = process.log  # type: ignore[attr-defined]
    return "\n".join(
        f"== {file.relative_to(log.parent)}\n{file.read_text(errors='replace')}"
        for file in (log, *sorted(log.parent.rglob("logs/*.log")))
    )


def expect_exit(process: subprocess.Popen[bytes], code: int = 0) -> None:
    """Wait until a process ends by itself with an exit code; where it does not, show what it said."""
    try:
        ended = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        ended = None
    assert ended == code, f"exit code {ended}, not {code}:\n{said(process)}"


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Poll until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def spin_until(
    node: Node, condition: Callable[[], object], what: str, seconds: float = PATIENCE
) -> None:
    """Let a node hear until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        rclpy.spin_once(node, timeout_sec=0.02)


FILMS = ("train_rl", "evaluate", "policy", "collect", "label", "teleop")
"""stacks that film episodes at their end, which takes longer than many a test"""


class Processes:
    """Processes of one test, all ended with it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command; its output goes to a file."""
        log = self.folder / f"{len(self.started)}_{Path(command[0]).name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
            )
        process.log = log  # type: ignore[attr-defined]
        self.started.append(process)
        return process

    def node(self, package: str, name: str, **parameters: object) -> subprocess.Popen[bytes]:
        """Start one node."""
        arguments = [f"{key}:={value}" for key, value in parameters.items()]
        flags = [word for argument in arguments for word in ("-p", argument)]
        return self.start(executable(package, name), "--ros-args", *flags)

    def stack(
        self, stack: str, /, *, video: bool = False, **arguments: object
    ) -> subprocess.Popen[bytes]:
        """Start a stack as `./rldg launch` does; without a video, unless the test looks at it."""
        if stack in FILMS:
            arguments["video"] = str(video).lower()
        words = [f"{key}:={value}" for key, value in arguments.items()]
        return self.start(executable("rldg_bringup", "stack"), stack, *words)

    def pid(self, node: str) -> int | None:
        """Process id of a running node of this test."""
        found = subprocess.run(
            ["pgrep", "-f", f"lib/rldg_[a-z]+/{node} --ros-args .*{self.folder.name}"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
        return int(found[0]) if found else None

    def end(self) -> None:
        """Kill whatever is left."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        for process in self.started:
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
