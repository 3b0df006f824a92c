# SPDX-License-Identifier: Apache-2.0
"""Another program's own code, timed on request beside ours: in a Python of its own, that has what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


class Peer:
    """A script of this folder in another Python. It answers every line with the seconds that took."""

    def __init__(self, python: str, script: str, path: str, *arguments: str) -> None:
        """Start it.

        Args:
            python: interpreter that can import the peer.
            script: name of its script in this folder.
            path: name of the environment variable that says where the peer's sources are; it need not be set.
            arguments: of the script.
        """
        self.script = script
        # This shell's ROS packages are not for that Python.
        environment = {**os.environ, "PYTHONPATH": os.environ.get(path, "")}
        self.process = subprocess.Popen(
            [python, str(Path(__file__).with_name(script)), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, what: str) -> float:
        """Seconds of one turn."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(what, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.script} ended; what it said is above")
        return float(answer)


def answer(work: Callable[[str], Callable[[], object]]) -> None:
    """The other side, in the peer's Python: until the input ends, the seconds of what each line names.

    Args:
        work: from a line to what is timed; what this itself takes is not.
    """
    for line in sys.stdin:
        do = work(line.strip())
        start = time.perf_counter()
        do()
        print(time.perf_counter() - start, flush=True)
