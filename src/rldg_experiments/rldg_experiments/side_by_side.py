# SPDX-License-Identifier: Apache-2.0
"""Runs stages side by side: each as soon as what it needs is there and a processor core and memory are free.

A stage that fails does not hold up those that need nothing of it. This process has one thread, as what it starts ends
with the thread that started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rldg_core.ros_domain import domain_id, free_domain
from rldg_experiments.commands import STOPS, Stopped
from rldg_experiments.stages import Stage
from rldg_experiments.store import finish, note_of

MEMORY_BYTES = 1 << 31
"""that must be free for another stage beside one that runs: a stack, or a student with its loaders, takes about 1 GB"""
LOOK_SECONDS = 0.2
STATUS_SECONDS = 20.0
"""between two lines about a stage that runs"""
LAST_BYTES = 4096
"""of a log, in which its last line is looked for"""


@dataclass
class Running:
    """A stage whose command runs."""

    stage: Stage
    process: subprocess.Popen[bytes]
    log: Path
    domain: int
    resumed: bool
    started: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Failure:
    """A stage whose command failed."""

    stage: Stage
    exit_code: int
    log: Path


class SideBySide:
    """The stages of one experiment on their way."""

    def __init__(
        self, stages: Sequence[Stage], jobs: int, logs: Path, tell: Callable[[str], None]
    ) -> None:
        """Start nothing yet.

        Args:
            stages: each once, those that others need first.
            jobs: how many run at once, at most.
            logs: folder of their output, a file each.
            tell: takes the lines of the progress.
        """
        self._waiting = [stage for stage in stages if note_of(stage) is None]
        self._total, self._done = len(stages), len(stages) - len(self._waiting)
        self._jobs, self._logs, self._tell = jobs, logs, tell
        self._threads = max((os.cpu_count() or 1) // jobs, 1)
        self._running: list[Running] = []
        self._asked: list[int] = []
        self.failures: list[Failure] = []

    def run(self) -> None:
        """Until every stage has ended or cannot begin; `failures` then says which failed.

        Raises:
            Stopped: this process was asked to stop, and so was all that it had started.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        before = {number: signal.signal(number, self._stop) for number in STOPS}
        try:
            while self._start_what_can() or self._running:
                time.sleep(LOOK_SECONDS)
                for running in list(self._running):
                    self._look(running)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._asked:
            raise Stopped(self._asked[0])

    def _stop(self, number: int, _: FrameType | None) -> None:
        self._asked.append(number)
        for running in self._running:
            os.killpg(running.process.pid, signal.SIGINT)

    def _start_what_can(self) -> bool:
        """Whether one was started."""
        started = False
        for stage in list(self._waiting):
            if self._asked or len(self._running) >= self._jobs or not self._has_memory():
                break
            if self._is_ready(stage):
                self._waiting.remove(stage)
                self._start(stage)
                started = True
        return started

    def _has_memory(self) -> bool:
        return not self._running or available_bytes() >= MEMORY_BYTES

    def _is_ready(self, stage: Stage) -> bool:
        """Whether all that it needs is finished, and no other stage writes into the run that it writes into."""
        return all(note_of(other) for other in stage.needs) and all(
            running.stage.occupies != stage.occupies for running in self._running
        )

    def _start(self, stage: Stage) -> None:
        taken = {running.domain for running in self._running}
        domain = free_domain(domain_id(os.environ.get("ROS_DOMAIN_ID", "")), taken)
        log = self._logs / f"{'_'.join(stage.artefact.parts[1:])}.log"
        self._tell(f"[{self._done}/{self._total} finished] {stage.title}; output in {log}")
        self._tell(f"  {stage.command}")
        resumed = stage.artefact.exists()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until it is known to `_stop`
        try:
            with log.open("ab") as stream:
                process = stage.command.start(stream, domain, self._threads)
            self._running.append(Running(stage, process, log, domain, resumed))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _look(self, running: Running) -> None:
        pid, status, usage = os.wait4(running.process.pid, os.WNOHANG)
        if not pid:
            self._show(running)
            return
        self._running.remove(running)
        code = running.process.returncode = os.waitstatus_to_exitcode(status)
        spent = time.monotonic() - running.started
        if code == 0 and not self._asked:
            finish(running.stage, spent, usage.ru_utime + usage.ru_stime, running.resumed)
            self._done += 1
            self._tell(
                f"[{self._done}/{self._total} finished] {spent:.0f} s: {running.stage.title}"
            )
        elif not self._asked:
            self.failures.append(Failure(running.stage, code, running.log))
            self._tell(f"failed with exit code {code}: {running.stage.title}; see {running.log}")

    def _show(self, running: Running) -> None:
        now = time.monotonic()
        if now - running.shown >= STATUS_SECONDS:
            running.shown = now
            if line := last_line(running.log):
                self._tell(f"  {running.stage.label}: {line}")


def available_bytes() -> int:
    """Memory that a new process can have without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return MEMORY_BYTES


def last_line(log: Path) -> str:
    """What a log says last."""
    with log.open("rb") as stream:
        stream.seek(max(log.stat().st_size - LAST_BYTES, 0))
        lines = stream.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
