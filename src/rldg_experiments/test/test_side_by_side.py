# SPDX-License-Identifier: Apache-2.0
"""Stages side by side, with commands of a shell in place of the real ones: order, failures, memory, stopping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from rldg_experiments import side_by_side
from rldg_experiments.commands import Command
from rldg_experiments.pace import estimate_left
from rldg_experiments.side_by_side import SideBySide, last_line
from rldg_experiments.stages import Stage
from rldg_experiments.store import finish, in_dependency_order, note_of


@dataclass(frozen=True)
class ShellStage(Stage):
    """Notes when it begins and ends, and in which domain."""

    KIND: ClassVar[str] = "Shell"
    VERSION: ClassVar[int] = 1
    word: str
    script: str = "sleep 0.5"
    after: tuple[Stage, ...] = ()
    shared: str = ""

    @property
    def label(self) -> str:
        return self.word

    @property
    def title(self) -> str:
        return self.word

    @property
    def typical_seconds(self) -> float:
        return 10.0

    @property
    def occupies(self) -> Path:
        return Path(self.shared) if self.shared else self.artefact

    @property
    def command(self) -> Command:
        folder = self.artefact
        return Command(
            (
                f"mkdir -p {folder}; date +%s.%N >{folder}/at; {self.script} || exit 3; "
                f"date +%s.%N >>{folder}/at; echo $ROS_DOMAIN_ID >>{folder}/at; echo done",
            )
        )


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Command, "_arguments", lambda self: ["sh", "-c", self.words[0]])


def run(targets: Sequence[Stage], jobs: int) -> SideBySide:
    started = SideBySide(in_dependency_order(targets), jobs, Path("logs"), lambda line: None)
    started.run()
    return started


def times(stage: Stage) -> tuple[float, float]:
    begin, end, _ = (stage.artefact / "at").read_text().split()
    return float(begin), float(end)


def overlap(first: Stage, second: Stage) -> bool:
    (begin, end), (other_begin, other_end) = times(first), times(second)
    return begin < other_end and other_begin < end


def test_what_is_independent_runs_at_once_and_what_is_needed_first() -> None:
    first, second = ShellStage("first"), ShellStage("second")
    last = ShellStage("last", after=(first, second))
    assert not run([last], jobs=2).failures
    assert overlap(first, second)
    assert times(last)[0] > max(times(first)[1], times(second)[1])
    domains = {(stage.artefact / "at").read_text().split()[2] for stage in (first, second)}
    assert len(domains) == 2, "two stacks in one domain would drive each other's robot"
    assert all(note_of(stage) for stage in (first, second, last))
    assert (Path("logs") / f"{first.name}.log").read_text() == "done\n"


def test_one_job_is_one_after_another() -> None:
    first, second = ShellStage("first"), ShellStage("second")
    run([first, second], jobs=1)
    assert not overlap(first, second)


def test_stages_that_write_into_one_run_take_turns() -> None:
    first, second = (ShellStage(name, shared="runs/pupil") for name in ("first", "second"))
    run([first, second], jobs=2)
    assert not overlap(first, second)


def test_without_memory_only_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "available_bytes", lambda: 1)
    first, second = ShellStage("first"), ShellStage("second")
    run([first, second], jobs=2)
    assert not overlap(first, second)


def test_a_failure_loses_nothing_else() -> None:
    bad, good = ShellStage("bad", "echo oh dear; false"), ShellStage("good")
    behind = ShellStage("behind", after=(bad,))
    later = ShellStage("later", after=(good,))
    (failure,) = run([behind, later], jobs=2).failures
    assert (failure.stage, failure.exit_code) == (bad, 3)
    assert last_line(failure.log) == "oh dear"
    assert note_of(later) and not note_of(bad)
    assert not behind.artefact.exists()
    assert not run([later], jobs=2).failures, "what is finished is not run again"


def test_processor_time_is_of_each_stage_alone() -> None:
    busy = ShellStage(
        "busy", f"{sys.executable} -c 'while __import__(\"time\").process_time() < 0.6: pass'"
    )
    idle = ShellStage("idle", "sleep 1")
    run([busy, idle], jobs=2)
    spent = [note.cpu_seconds for stage in (busy, idle) if (note := note_of(stage))]
    assert spent[0] is not None and spent[0] >= 0.5
    assert spent[1] is not None and spent[1] < 0.3


def test_the_rest_is_estimated_by_the_longest_chain_and_by_what_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    first, second = ShellStage("first"), ShellStage("second")
    last = ShellStage("last", after=(first,))
    stages = in_dependency_order([second, last])
    left = estimate_left(stages, jobs=2)
    assert (left.seconds, left.cpu_seconds) == (20.0, 60.0), "a chain of two; 2 cores busy for 30 s"
    assert estimate_left(stages, jobs=1).seconds == 30.0
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert estimate_left(stages, jobs=2).seconds == 30.0, "two cores are busy with one stage"
    first.artefact.mkdir(parents=True)
    finish(first, seconds=5.0, cpu_seconds=4.0, resumed=False)
    left = estimate_left(stages, jobs=1)
    assert (left.seconds, left.cpu_seconds) == (10.0, 8.0), "two more like the one that is finished"


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_side_by_side import Command, ShellStage, SideBySide
from rldg_experiments.commands import Stopped
Command._arguments = lambda self: ["sh", "-c", self.words[0]]
stages = [ShellStage(name, "sleep 60") for name in ("first", "second")]
try:
    SideBySide(stages, 2, Path("logs"), print).run()
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_who_is_stopped_or_killed_leaves_nothing_running(
    number: int, code: int, tmp_path: Path
) -> None:
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    try:
        wait_for(
            lambda: len(children(process.pid)) == 2 and len(list(tmp_path.glob("runs/*/at"))) == 2
        )
        started = children(process.pid)
        os.kill(process.pid, number)
        assert process.wait(timeout=20) == code
        wait_for(lambda: not any(map(is_alive, started)))
    finally:
        process.kill()
