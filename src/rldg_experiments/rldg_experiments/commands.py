# SPDX-License-Identifier: Apache-2.0
"""Commands of the product: as a person types them, and as a process that ends when this one does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

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

    def run(self) -> int:
        """Run it in this terminal and this folder; returns its exit code.

        Raises:
            Stopped: this process was asked to stop, and so was the command.
        """
        asked: list[int] = []

        def stop(number: int, _: FrameType | None) -> None:
            asked.append(number)
            os.killpg(process.pid, signal.SIGINT)

        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        process = subprocess.Popen(
            self._arguments(),
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches it once, from here
            preexec_fn=tied_to_parent(STOPS),  # noqa: PLW1509 - this process has one thread
        )
        before = {number: signal.signal(number, stop) for number in STOPS}
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if asked:
            raise Stopped(asked[0])
        return code

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
