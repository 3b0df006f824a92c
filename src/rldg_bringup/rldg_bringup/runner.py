# SPDX-License-Identifier: Apache-2.0
"""The stack runner: starts a stack where no `launch` is installed, the way `launch` would.

    stack <name> [argument:=value ...] [--show-args]

Same processes, parameters, order, respawn and shutdown (SIGINT, after 5 s SIGTERM, after 5 more
SIGKILL) as the launch file of the same name. Exit codes: 0 the stack is done, 1 a node kept
crashing, 2 a person has to change something, 130 and 143 stopped by SIGINT and SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from rldg_bringup.arguments import StackError, show, split, suggestions, visible
from rldg_bringup.domain_claim import claim_domain
from rldg_bringup.executables import find_executable
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stack import NodeSpec, Stack, environment
from rldg_bringup.stacks import STACKS
from rldg_bringup.supervision import USER_ERROR, Supervisor, log_path
from rldg_core.workers.child import tied_to_parent

STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
WATCHED = {signal.SIGCHLD, *STOPS}


@dataclass(frozen=True)
class StopTimeouts:
    """How long nodes get to stop."""

    sigterm: float = 5.0
    """[s] from SIGINT to SIGTERM"""
    sigkill: float = 5.0
    """[s] from SIGTERM to SIGKILL"""


class Process:
    """One node's process, started as often as needed."""

    def __init__(self, node: NodeSpec, executable: Path, logs: Path) -> None:
        self.node = node
        self.due: float | None = 0.0
        """Monotonic time of the next start [s]; None where none is planned."""
        self._logs = logs
        self._popen: subprocess.Popen[bytes] | None = None
        self._command = [str(executable), *arguments_of(node, logs)]

    @property
    def running(self) -> bool:
        """It was started and has not been reaped."""
        return self._popen is not None

    def start(self) -> None:
        """Start it, in a process group of its own so that signals reach what it starts, too."""
        self.due = None
        output = None if self.node.output == "screen" else self._open_log()
        self._popen = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env={**os.environ, **environment(), **self.node.variables},
            process_group=0,
            preexec_fn=tied_to_parent(WATCHED),  # noqa: PLW1509 - the runner has one thread
        )
        if output is not None:
            os.close(output)

    def send(self, number: int) -> None:
        """Signal the process and what it started."""
        if self._popen is not None:
            os.killpg(self._popen.pid, number)

    def reap(self) -> int | None:
        """Exit code once it has ended, else None. What it started ends with it."""
        if self._popen is None:
            return None
        pid = self._popen.pid
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # The dead process is not reaped yet, so its group's number cannot be anyone else's.
        os.killpg(pid, signal.SIGKILL)
        code = self._popen.wait()
        self._popen = None
        return code

    def _open_log(self) -> int:
        path = log_path(self._logs, self.node)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(log, f"--- {self.node.name} starts, {time.strftime('%F %T')}\n".encode())
        return log


class Runner:
    """Runs a plan to its end."""

    def __init__(self, processes: Sequence[Process], logs: Path, patience: StopTimeouts) -> None:
        self._processes = processes
        self._supervisor = Supervisor(logs)
        self._patience = patience
        self._code: int | None = None
        self._escalation: list[tuple[float, int]] = []

    def run(self) -> int:
        """Start the nodes in order, keep them up, and return the stack's exit code.

        Signals are taken one by one with sigtimedwait, never in a handler: no moment of the
        loop can be interrupted, so a second Ctrl-C is as harmless as the first.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            while self._code is None or any(process.running for process in self._processes):
                self._start_due()
                taken = signal.sigtimedwait(WATCHED, self._until_next())
                if taken is not None and taken.si_signo in STOPS:
                    self._stop(128 + taken.si_signo)
                self._reap()
                self._escalate()
        except BaseException:
            for process in self._processes:
                process.send(signal.SIGKILL)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._code

    def _start_due(self) -> None:
        if self._code is not None:
            return
        for process in self._processes:
            if process.due is None or process.due > time.monotonic():
                continue
            try:
                process.start()
            except (OSError, subprocess.SubprocessError) as error:
                tell(f"cannot start {process.node.name}: {error}")
                return self._stop(1)

    def _until_next(self) -> float:
        """Seconds until something has to be done without a signal."""
        due = [process.due for process in self._processes if process.due is not None]
        moments = [moment for moment, _ in self._escalation] if self._code is not None else due
        return max(0.0, min([*moments, time.monotonic() + 1.0]) - time.monotonic())

    def _reap(self) -> None:
        """Judge every exit; one SIGCHLD may stand for several."""
        for process in self._processes:
            code = process.reap()
            if code is None or self._code is not None:
                continue
            now = time.monotonic()
            verdict = self._supervisor.judge(process.node, code, now)
            if verdict.message:
                tell(verdict.message)
            if verdict.respawn:
                process.due = now + process.node.respawn_delay
            if verdict.ends is not None:
                self._stop(verdict.ends)

    def _stop(self, code: int) -> None:
        """Begin the shutdown; a second call changes nothing."""
        if self._code is not None:
            return
        self._code = code
        for process in self._processes:
            process.send(signal.SIGINT)
        sigterm = time.monotonic() + self._patience.sigterm
        sigkill = sigterm + self._patience.sigkill
        self._escalation = [(sigterm, signal.SIGTERM), (sigkill, signal.SIGKILL)]

    def _escalate(self) -> None:
        while self._escalation and self._escalation[0][0] <= time.monotonic():
            number = self._escalation.pop(0)[1]
            for process in self._processes:
                if process.running:
                    tell(f"{process.node.name} is still there: {signal.Signals(number).name}")
                    process.send(number)


def arguments_of(node: NodeSpec, logs: Path) -> Sequence[str]:
    """Command line after the executable: a plain program's own, or as launch_ros writes it."""
    if node.arguments is not None:
        return node.arguments
    parameters = _write_parameters(node, logs)
    words = [
        *node.flags,
        "--ros-args",
        "-r",
        f"__node:={node.name}",
        "--params-file",
        str(parameters),
    ]
    for source, target in node.remappings:
        words += ["-r", f"{source}:={target}"]
    return words


def _write_parameters(node: NodeSpec, logs: Path) -> Path:
    path = logs / f"{node.name}.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(node.parameters)}}))
    return path


def tell(message: str) -> None:
    """A line of the runner's own, apart from the nodes' output."""
    print(f"[stack] {visible(message)}", file=sys.stderr, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StackError(f"{' '.join(message.split())} (see --help)")


def run_stack(stack: Stack, words: Sequence[str], patience: StopTimeouts | None = None) -> int:
    """Run a stack with `name:=value` words.

    Raises:
        StackError: bad arguments, a run or a ROS domain in use, a missing executable.
    """
    plan = stack.plan(split(words))
    executables = [find_executable(node) for node in plan.nodes]  # before a folder is made
    if plan.speaks_ros:
        claim_domain(plan.parts)
    claim = RunClaim(plan)
    try:
        tell(f"{stack.name}: {plan.run}; logs in {claim.logs}")
        if plan.standing_stop:
            tell(plan.standing_stop)
        started = zip(plan.nodes, executables, strict=True)
        processes = [Process(node, path, claim.logs) for node, path in started]
        code = Runner(processes, claim.logs, patience or StopTimeouts()).run()
        if code == USER_ERROR:
            claim.forget()
    except OSError as error:
        raise StackError(f"cannot write to {claim.logs}: {error}") from error
    finally:
        claim.release()
    if plan.makes_run and code not in (0, USER_ERROR):
        tell(f"stopped; name:={plan.run.name} resumes where it stopped")
    return code


def main(words: Sequence[str] | None = None) -> int:
    """The `stack` command."""
    listing = "\n".join(f"  {stack.name:10} {stack.description}" for stack in STACKS.values())
    parser = _Parser(
        "stack",
        description="Start a stack of nodes.",
        epilog=f"stacks:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stack", help="one of those below")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="see --show-args")
    parser.add_argument("-s", "--show-args", action="store_true", help="list a stack's arguments")
    try:
        given = parser.parse_args(words)
        if given.stack not in STACKS:
            raise StackError(f"unknown stack '{given.stack}'.{suggestions(given.stack, STACKS)}")
        stack = STACKS[given.stack]
        if given.show_args:
            if given.arguments:
                raise StackError(f"--show-args starts nothing: leave {given.arguments[0]} out")
            return show_page(show(stack.arguments))
        return run_stack(stack, given.arguments)
    except StackError as error:
        print(f"stack: {visible(str(error))}", file=sys.stderr)
        return USER_ERROR


def show_page(text: str) -> int:
    """Print a text for people, on any terminal, as far as it is read; returns the exit code."""
    try:
        sys.stdout.buffer.write(f"{text}\n".encode(sys.stdout.encoding, "backslashreplace"))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
