# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal, for tests: a pseudo-terminal with a program in it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Processes, executable, wait_until


class Terminal:
    """A terminal, what it shows, and its keys."""

    def __init__(self, screen: Path, keys: int) -> None:
        self._screen, self._keys = screen, keys
        self._read = 0

    def wait_for(self, text: str) -> None:
        """Until a text is shown, below what was waited for before."""
        wait_until(lambda: text in self._shown()[self._read :], f"'{text}'")
        self._read = self._shown().index(text, self._read) + len(text)

    def press_until(self, key: str, text: str) -> None:
        """Press a key again and again until a text is shown."""
        before = self._read
        while text not in self._shown()[before:]:
            self.press(key)
            time.sleep(0.5)
        self.wait_for(text)

    def press(self, key: str) -> None:
        """Press a key once."""
        os.write(self._keys, key.encode())

    def _shown(self) -> str:
        return self._screen.read_text()


@contextmanager
def terminal(processes: Processes, package: str, program: str) -> Iterator[Terminal]:
    """Somebody at `./rldg run <package> <program>`."""
    keys, stdin = pty.openpty()
    screen = processes.folder / f"{program}_screen.txt"
    with screen.open("wb") as shown:
        node = subprocess.Popen(
            [executable(package, program)],
            stdin=stdin,
            stdout=shown,
            stderr=subprocess.STDOUT,
            env=processes.environment,
            start_new_session=True,
        )
    processes.started.append(node)
    os.close(stdin)
    try:
        yield Terminal(screen, keys)
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(10)
        os.close(keys)
