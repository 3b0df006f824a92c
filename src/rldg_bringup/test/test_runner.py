# SPDX-License-Identifier: Apache-2.0
"""Tests of the stack runner: real processes, small scripts in the place of the nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from domains import free_domain

PACKAGE = Path(__file__).parents[1]
PATHS = f"{PACKAGE}:{PACKAGE.parent / 'rldg_core'}"
NODES = {
    "rldg_robot": ("twin", "safety_gate", "operator", "viewer"),
    "rldg_rl": ("recorder", "learner", "actor", "monitor"),
}
PREAMBLE = """#!/usr/bin/env python3
import os, signal, sys, time
name = os.path.basename(__file__)
def note(word):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{name} {word} {os.getpid()}\\n")
def leave(*_):
    note("sigint")
    sys.exit(0)
signal.signal(signal.SIGINT, leave)
note("start")
"""
WAIT = "while True: time.sleep(0.05)\n"
IMPATIENT = """
import sys
from rldg_bringup.runner import StopTimeouts, run_stack
from rldg_bringup.stacks import STACKS
sys.exit(run_stack(STACKS["train_rl"], sys.argv[1:], StopTimeouts(0.3, 0.3)))
"""


class Workspace:
    """A prefix with scripts as nodes, and the runner on it."""

    def __init__(self, path: Path, domain: int) -> None:
        self.path = path
        self.domain = domain
        self.run = path / "runs/a"
        self.notes = path / "notes"
        self.notes.touch()
        self.stacks: list[subprocess.Popen[str]] = []
        for package, names in NODES.items():
            for name in names:
                self.node(package, name, WAIT)

    def node(self, package: str, name: str, body: str) -> None:
        script = self.path / "prefix/lib" / package / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(PREAMBLE + body)
        script.chmod(0o755)

    def start(
        self, *words: str, program: tuple[str, ...] = (), **variables: str
    ) -> subprocess.Popen[str]:
        name = [] if any(word.startswith("name:=") for word in words) else ["name:=a"]
        given = [f"runs:={self.path / 'runs'}", *name, *words]
        stack = subprocess.Popen(
            [sys.executable, *(program or ("-m", "rldg_bringup.runner", "train_rl")), *given],
            env={
                **os.environ,
                "AMENT_PREFIX_PATH": str(self.path / "prefix"),
                "PYTHONPATH": PATHS,
                "NOTES": str(self.notes),
                "ROS_DOMAIN_ID": str(self.domain),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stacks.append(stack)
        return stack

    def noted(self, word: str) -> list[str]:
        """Names of the nodes that noted `word`, in order."""
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        return [name for name, noted, _ in lines if noted == word]

    def pids(self, name: str) -> list[int]:
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        return [int(pid) for node, word, pid in lines if node == name and word == "start"]


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    with free_domain(zlib.crc32(request.node.nodeid.encode())) as domain:
        workspace = Workspace(tmp_path, domain)
        yield workspace
        for stack in workspace.stacks:
            stack.kill()
            stack.communicate()


def wait_for(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_stack_runs_from_start_to_the_actors_clean_exit(workspace: Workspace) -> None:
    shown = {"monitor": "'watching'", "learner": "os.environ['OMP_NUM_THREADS'], sys.argv[1:]"}
    for name, what in shown.items():
        workspace.node("rldg_rl", name, f"print({what})\nnote('ready')\n" + WAIT)
    others = "open(os.environ['NOTES']).read()"
    workspace.node(
        "rldg_rl",
        "actor",
        f"print('acting')\nwhile {others}.count('start') < 7 or {others}.count('ready') < 2:\n"
        "    time.sleep(0.05)\n",
    )

    stack = workspace.start("seed:=3")
    output, errors = stack.communicate(timeout=60)

    assert stack.returncode == 0, errors
    started = workspace.noted("start")
    assert set(started) == {*NODES["rldg_robot"], *NODES["rldg_rl"]} - {"viewer"}
    assert set(workspace.noted("sigint")) == set(started) - {"actor"}
    assert "watching" in output
    assert "acting" not in output
    assert "acting" in (workspace.run / "logs/actor.log").read_text()
    written = workspace.run / "logs/learner.yaml"
    command = ["--ros-args", "-r", "__node:=learner", "--params-file", str(written)]
    assert f"1 {command}" in (workspace.run / "logs/learner.log").read_text()
    assert yaml.safe_load(written.read_text()) == {
        "/**": {
            "ros__parameters": {
                "run": str(workspace.run),
                "task": "connector/vga",
                "seed": 3,
                "observation": "state",
                "encoder": "demos",
                "use_sim_time": True,
            }
        }
    }


def test_a_killed_node_comes_back_with_all_that_it_started_gone(workspace: Workspace) -> None:
    helper = "import subprocess\nprint(subprocess.Popen(['sleep', '99']).pid, flush=True)\n"
    workspace.node("rldg_rl", "learner", helper + WAIT)
    log = workspace.run / "logs/learner.log"
    stack = workspace.start()
    wait_for(lambda: log.exists() and log.read_text().splitlines()[1:])
    child = int(log.read_text().splitlines()[1])

    os.kill(workspace.pids("learner")[0], signal.SIGKILL)

    wait_for(lambda: len(workspace.pids("learner")) == 2)
    assert not alive(child)
    assert len(workspace.pids("twin")) == 1
    stack.send_signal(signal.SIGTERM)
    _, errors = stack.communicate(timeout=60)
    assert stack.returncode == 143
    assert "learner ended with signal 9; it is started again" in errors


def test_a_user_error_ends_the_stack_and_is_shown(workspace: Workspace) -> None:
    workspace.node("rldg_robot", "twin", "print('no task xyz')\nsys.exit(2)\n")

    stack = workspace.start()
    _, errors = stack.communicate(timeout=60)

    assert stack.returncode == 2
    assert "twin ended with exit code 2" in errors
    assert "no task xyz" in errors
    assert len(workspace.pids("twin")) == 1
    assert not (workspace.run / "arguments.yaml").exists()


def test_a_crash_loop_ends_the_stack(workspace: Workspace) -> None:
    workspace.node("rldg_rl", "learner", "raise RuntimeError('sick')\n")
    short = IMPATIENT.replace(
        'STACKS["train_rl"]',
        'dataclasses.replace(STACKS["train_rl"], build=lambda values: [dataclasses.replace('
        'node, respawn_delay=0.05) for node in STACKS["train_rl"].build(values)])',
    )

    stack = workspace.start(program=("-c", "import dataclasses" + short))
    _, errors = stack.communicate(timeout=60)

    assert stack.returncode == 1
    assert "learner ended with exit code 1, 5 times within 60 s: giving up" in errors
    assert str(workspace.run / "logs/learner.log") in errors
    assert "RuntimeError: sick" in errors


def test_ctrl_c_is_polite_first_and_then_not(workspace: Workspace) -> None:
    stubborn = "signal.signal(signal.SIGINT, lambda *_: note('sigint'))\n"
    workspace.node("rldg_rl", "learner", stubborn + "note('ready')\n" + WAIT)
    deaf = stubborn + "signal.signal(signal.SIGTERM, lambda *_: note('sigterm'))\n"
    workspace.node("rldg_rl", "recorder", deaf + "note('ready')\n" + WAIT)
    stack = workspace.start(program=("-c", IMPATIENT))
    wait_for(lambda: len(workspace.noted("ready")) == 2 and len(workspace.noted("start")) == 7)

    stack.send_signal(signal.SIGINT)
    time.sleep(0.1)
    stack.send_signal(signal.SIGINT)
    _, errors = stack.communicate(timeout=60)

    assert stack.returncode == 130
    assert sorted(workspace.noted("sigint")) == sorted(workspace.noted("start"))
    assert workspace.noted("sigterm") == ["recorder"]
    assert "learner is still there: SIGTERM" in errors
    assert "recorder is still there: SIGKILL" in errors
    assert "learner is still there: SIGKILL" not in errors
    assert "name:=a resumes where it stopped" in errors
    assert not any(alive(pid) for name in ("learner", "recorder") for pid in workspace.pids(name))


def test_a_killed_runner_takes_its_nodes_along(workspace: Workspace) -> None:
    stack = workspace.start()
    wait_for(lambda: len(workspace.noted("start")) == 7)

    stack.kill()

    pids = [pid for name in set(workspace.noted("start")) for pid in workspace.pids(name)]
    wait_for(lambda: not any(alive(pid) for pid in pids))
    assert workspace.noted("sigint") == []


def test_a_run_is_used_by_one_stack_and_free_after_a_crash(workspace: Workspace) -> None:
    first = workspace.start()
    wait_for(lambda: len(workspace.noted("start")) == 7)

    second = workspace.start(ROS_DOMAIN_ID=str(workspace.domain + 100))
    _, errors = second.communicate(timeout=60)

    assert second.returncode == 2
    assert "another stack is using the run" in errors
    assert len(workspace.noted("start")) == 7
    first.kill()
    first.communicate()
    workspace.node("rldg_rl", "actor", "sys.exit(0)\n")
    third = workspace.start()
    third.communicate(timeout=60)
    assert third.returncode == 0


@pytest.mark.parametrize("spelling", ["{}", "{:#x}", " {}", "0{:o}", "+{}"])
def test_two_stacks_do_not_meet_in_one_ros_domain(workspace: Workspace, spelling: str) -> None:
    first = workspace.start()
    wait_for(lambda: len(workspace.noted("start")) == 7)

    # Neither where temporary files are nor how the number is written makes another domain of it.
    domain = spelling.format(workspace.domain)
    second = workspace.start("name:=b", TMPDIR=str(workspace.path), ROS_DOMAIN_ID=domain)
    _, errors = second.communicate(timeout=60)

    assert second.returncode == 2
    assert f"another stack (process {first.pid} of user {os.getuid()}) runs in ROS" in errors
    assert f"ROS domain {workspace.domain} " in errors and "ROS_DOMAIN_ID=" in errors
    assert not (workspace.path / "runs/b").exists()
    assert len(workspace.noted("start")) == 7


def test_a_domain_is_free_as_soon_as_its_stack_is_dead(workspace: Workspace) -> None:
    for name in ("a", "b"):
        stack = workspace.start(f"name:={name}")
        wait_for(lambda n=name: len(workspace.noted("start")) == {"a": 7, "b": 14}[n])
        stack.kill()
        stack.communicate()


def test_two_machines_share_a_domain(workspace: Workspace) -> None:
    for machine, nodes in (("robot", 6), ("gpu", 8)):
        workspace.start(f"name:={machine}", f"machine:={machine}")
        wait_for(lambda n=nodes: len(workspace.noted("start")) == n)


@pytest.mark.parametrize("domain", ["-1", "233", "12abc", "abc", "1e2", "٣", "0x", "9" * 30])
def test_what_is_no_domain_is_refused(workspace: Workspace, domain: str) -> None:
    stack = workspace.start(ROS_DOMAIN_ID=domain)
    _, errors = stack.communicate(timeout=60)

    assert stack.returncode == 2
    assert "is no ROS domain: give a whole number from 0 to 231" in errors
    assert not workspace.noted("start")


def test_a_missing_executable_is_reported_before_anything_starts(workspace: Workspace) -> None:
    (workspace.path / "prefix/lib/rldg_rl/learner").unlink()

    stack = workspace.start()
    _, errors = stack.communicate(timeout=60)

    assert stack.returncode == 2
    assert "package rldg_rl has no executable learner here; build the workspace" in errors
    assert not workspace.run.exists()


def test_an_executable_that_cannot_run_ends_the_stack(workspace: Workspace) -> None:
    (workspace.path / "prefix/lib/rldg_rl/learner").write_text("#!/no/such/interpreter\n")

    stack = workspace.start()
    _, errors = stack.communicate(timeout=60)

    assert stack.returncode == 1
    assert "cannot start learner" in errors
    assert not any(alive(pid) for pid in workspace.pids("twin"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("train_rl", "--show-args"), 0, "(default: 'connector/vga')"),
        (("evaluate", "-s"), 0, "'deterministic':"),
        (("-h",), 0, "A trained policy, specialist or student, is evaluated."),
        (("train_rl", "step:=5"), 2, "Did you mean 'steps'?"),
        (("train_rl", "steps=5"), 2, "arguments are written name:=value"),
        (("train",), 2, "Did you mean 'train_rl'?"),
    ],
)
def test_the_command_line(words: tuple[str, ...], code: int, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rldg_bringup.runner", *words],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code
    assert message in done.stdout + done.stderr
