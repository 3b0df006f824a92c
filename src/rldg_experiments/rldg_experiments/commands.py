# SPDX-License-Identifier: Apache-2.0
"""Commands of the product: as a person types them, and as a process that ends when this one does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ament_index_python.packages import get_package_prefix

from rldg_core.workers.child import tied_to_parent

TOOLS = {"convert": "rldg_distill", "distill": "rldg_distill"}
"""package of those commands that are an executable of the same name"""
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked for an end; everything that was started has ended."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@dataclass(frozen=True)
class Command:
    """One `./rldg …`."""

    words: tuple[str, ...]
    """after `./rldg`"""

    def __str__(self) -> str:
        """As it is typed."""
        return shlex.join(("./rldg", *self.words))

    def start(self, log: IO[bytes], domain: int, threads: int) -> subprocess.Popen[bytes]:
        """Start it in this folder, in a process group of its own, which ends with this process.

        Args:
            log: takes what it prints.
            domain: ROS domain of its nodes.
            threads: of one operation on arrays, at most, where the command does not decide that itself.
        """
        return subprocess.Popen(
            self._arguments(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": str(threads)} | os.environ | {"ROS_DOMAIN_ID": str(domain)},
            process_group=0,  # Ctrl-C reaches it once, from here
            preexec_fn=tied_to_parent(STOPS),  # noqa: PLW1509 - this process has one thread
        )

    def _arguments(self) -> list[str]:
        verb, *rest = self.words
        if verb == "launch":
            return [_executable("rldg_bringup", "stack"), *rest]
        if verb == "run":
            return [_executable(*rest[:2]), *rest[2:]]
        return [_executable(TOOLS[verb], verb), *rest]


def option(name: str, value: Any) -> list[str]:
    """An option of `distill` as words; true and false become `--name` and `--no-name`."""
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    values = value if isinstance(value, list) else [value]
    return [flag, *map(str, values)]


def _executable(package: str, name: str) -> str:
    return str(Path(get_package_prefix(package), "lib", package, name))
