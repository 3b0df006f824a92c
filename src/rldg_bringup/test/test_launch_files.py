# SPDX-License-Identifier: Apache-2.0
"""Tests of the launch files with the real `launch`, where it is installed.

Each node is a script that writes down its command line, parameters and environment; what the
launch file starts must be what the stack runner starts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_ros.actions", reason="launch comes with a ROS installation")

PACKAGE = Path(__file__).parents[1]
MOMENT = re.compile(r"\d{8}_\d{6}")
"""an evaluation is named after its start, and the two ways start one after the other"""
NODES = {
    "rldg_robot": ("twin", "safety_gate", "operator", "viewer", "player"),
    "rldg_rl": ("recorder", "learner", "actor", "monitor", "replayer", "evaluator"),
}
WITNESS = """#!/usr/bin/env python3
import json, os, signal, sys, time
name = os.path.basename(__file__)
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
folder = os.environ["WITNESSES"]
parameters = sys.argv.index("--params-file") + 1 if "--params-file" in sys.argv else len(sys.argv)
seen = {
    "command": [*sys.argv[1:parameters], *sys.argv[parameters + 1:]],
    "parameters": "".join(open(path).read() for path in sys.argv[parameters:parameters + 1]),
    "omp": os.environ.get("OMP_NUM_THREADS"),
    "starts": 1,
}
path = os.path.join(folder, name + ".json")
if os.path.exists(path):
    seen["starts"] = json.load(open(path))["starts"] + 1
with open(path + ".new", "w") as file:
    json.dump(seen, file)
os.rename(path + ".new", path)
print(name, "was here", flush=True)
while name not in ("actor", "player", "replayer", "evaluator") or len(os.listdir(folder)) < int(os.environ["WAIT_FOR"]):
    time.sleep(0.05)
time.sleep(0.3)
if os.environ["ACTOR"] == "killed" and seen["starts"] == 1:
    os.kill(os.getpid(), 9)
if os.environ["ACTOR"] == "refuses":
    print("no such task")
    sys.exit(2)
"""
# What `ros2 launch` does with a file and its arguments; SIGINT goes to it alone.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
source = PythonLaunchDescriptionSource(sys.argv[1])
words = [tuple(word.split(":=")) for word in sys.argv[2:]]
service = LaunchService(noninteractive=True)
included = IncludeLaunchDescription(source, launch_arguments=words)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An ament prefix whose executables are witnesses."""
    prefix = tmp_path / "prefix"
    index = prefix / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    for package, names in NODES.items():
        (index / package).touch()
        (prefix / "lib" / package).mkdir(parents=True)
        for name in names:
            script = prefix / "lib" / package / name
            script.write_text(WITNESS)
            script.chmod(0o755)
    return prefix


class Outcome:
    """What a start left behind."""

    def __init__(self, folder: Path, words: tuple[str, ...], env: dict[str, str]) -> None:
        witnesses = folder / "witnesses"
        witnesses.mkdir(parents=True)
        done = subprocess.run(
            [sys.executable, *words, f"runs:={folder / 'runs'}"],
            env={**os.environ, **env, "WITNESSES": str(witnesses)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.code = done.returncode
        self.output = done.stdout + done.stderr
        self.run = folder / "runs/a"
        self.seen: dict[str, Any] = {
            path.stem: json.loads(
                MOMENT.sub("MOMENT", path.read_text().replace(str(folder), "FOLDER"))
            )
            for path in witnesses.glob("*.json")
        }


def env(prefix: Path, nodes: int, actor: str) -> dict[str, str]:
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    logs = str(prefix.parent / "ros_logs")
    return {
        "AMENT_PREFIX_PATH": str(prefix),
        "PYTHONPATH": path,
        "ROS_LOG_DIR": logs,
        "WAIT_FOR": str(nodes),
        "ACTOR": actor,
    }


def named(stack: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with a run's name, where the stack has one."""
    return words if stack in ("replay", "policy") else (*words, "name:=a")


def launch(
    prefix: Path, stack: str, words: tuple[str, ...], nodes: int, actor: str = "done"
) -> Outcome:
    """Start with the real launch."""
    file = str(PACKAGE / f"launch/{stack}.launch.py")
    folder = prefix.parent / "by_launch"
    program = ("-c", LAUNCH, file, *named(stack, words))
    return Outcome(folder, program, env(prefix, nodes, actor))


def run(
    prefix: Path, stack: str, words: tuple[str, ...], nodes: int, actor: str = "done"
) -> Outcome:
    """Start with the stack runner."""
    program = ("-m", "rldg_bringup.runner", stack, *named(stack, words))
    return Outcome(prefix.parent / "by_runner", program, env(prefix, nodes, actor))


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        ((), 7),
        (("viewer:=true", "operator:=none", "seed:=3", "task:=connector/usb_a"), 7),
        (("real_time_factor:=1", "randomize:=true", "demos:=0", "steps:=5"), 7),
    ],
)
def test_both_ways_start_the_same_graph(prefix: Path, words: tuple[str, ...], nodes: int) -> None:
    launched = launch(prefix, "train_rl", words, nodes)
    ran = run(prefix, "train_rl", words, nodes)

    assert (launched.code, ran.code) == (0, 0), launched.output + ran.output
    assert len(launched.seen) == nodes
    assert launched.seen == ran.seen
    assert "monitor was here" in launched.output
    for name in set(launched.seen) - {"monitor"}:
        assert f"{name} was here" in (launched.run / f"logs/{name}.log").read_text()
        assert f"{name} was here" not in launched.output
    settings = [(each.run / "arguments.yaml").read_text() for each in (launched, ran)]
    assert settings[0] == settings[1]


def test_both_ways_evaluate_alike(prefix: Path) -> None:
    words = ("task:=connector/hdmi", "deterministic:=false")
    for way in ("by_launch", "by_runner"):
        policy = prefix.parent / way / "runs/a/checkpoints/policy.safetensors"
        policy.parent.mkdir(parents=True)
        policy.write_bytes(b"")

    launched = launch(prefix, "evaluate", words, 5)
    ran = run(prefix, "evaluate", words, 5)

    assert (launched.code, ran.code) == (0, 0), launched.output + ran.output
    assert len(launched.seen) == 5
    assert launched.seen == ran.seen


def test_both_ways_evaluate_alike_without_ros(prefix: Path) -> None:
    for way in ("by_launch", "by_runner"):
        policy = prefix.parent / way / "runs/a/checkpoints/policy.safetensors"
        policy.parent.mkdir(parents=True)
        policy.write_bytes(b"")
    words = ("task:=connector/hdmi", "transport:=direct", "workers:=2", "evaluation:=quick")
    launched = launch(prefix, "evaluate", words, 1)
    ran = run(prefix, "evaluate", words, 1)

    assert (launched.code, ran.code) == (0, 0), launched.output + ran.output
    assert set(launched.seen) == {"evaluator"}
    assert launched.seen == ran.seen
    command = launched.seen["evaluator"]["command"]
    assert command[0] == "FOLDER/runs/a" and command[1:3] == ["--name", "quick"]
    assert "evaluator was here" in launched.output


def test_both_ways_collect_alike(prefix: Path) -> None:
    words = ("source:=operator", "task:=connector/vga,connector/xlr", "episodes:=7")
    launched = launch(prefix, "collect", words, 6)
    ran = run(prefix, "collect", words, 6)

    assert (launched.code, ran.code) == (0, 0), launched.output + ran.output
    assert len(launched.seen) == 6
    assert launched.seen == ran.seen
    settings = [(each.run / "arguments.yaml").read_text() for each in (launched, ran)]
    assert settings[0] == settings[1]


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        (("viewer:=true", "rate:=2", "loop:=true"), {"player", "viewer"}),
        (("execute:=true",), {"twin", "safety_gate", "recorder", "replayer"}),
    ],
)
def test_both_ways_replay_alike(prefix: Path, words: tuple[str, ...], nodes: set[str]) -> None:
    bag = prefix.parent / "bag"
    bag.mkdir()
    custom = 'custom_data: {episode: \'{"task": "connector/hdmi"}\'}'
    (bag / "metadata.yaml").write_text(f"rosbag2_bagfile_information: {{{custom}}}")

    launched = launch(prefix, "replay", (f"bag:={bag}", *words), len(nodes))
    ran = run(prefix, "replay", (f"bag:={bag}", *words), len(nodes))

    assert (launched.code, ran.code) == (0, 0), launched.output + ran.output
    assert set(launched.seen) == nodes
    assert launched.seen == ran.seen


def test_both_ways_run_a_policy_alike(prefix: Path) -> None:
    for way in ("by_launch", "by_runner"):
        (prefix.parent / way / "runs/a/checkpoints/student").mkdir(parents=True)
    words = ("policy:=a", "task:=connector/hdmi", "instruction:=plug: it in", "ensemble:=0.1")
    launched = launch(prefix, "policy", words, 5)
    ran = run(prefix, "policy", words, 5)

    assert (launched.code, ran.code) == (0, 0), launched.output + ran.output
    assert len(launched.seen) == 5
    assert launched.seen == ran.seen


def test_a_killed_actor_comes_back_and_its_clean_exit_ends_the_launch(prefix: Path) -> None:
    launched = launch(prefix, "train_rl", (), 7, actor="killed")

    assert launched.code == 0, launched.output
    assert launched.seen["actor"]["starts"] == 2
    assert launched.seen["twin"]["starts"] == 1
    assert "actor ended with signal 9; it is started again" in launched.output


def test_a_user_error_ends_the_launch(prefix: Path) -> None:
    launched = launch(prefix, "train_rl", (), 7, actor="refuses")

    assert launched.code == 1
    assert launched.seen["actor"]["starts"] == 1
    assert "no such task" in launched.output
    assert not (launched.run / "arguments.yaml").exists()


def test_a_killed_launch_takes_its_nodes_along(prefix: Path) -> None:
    file = str(PACKAGE / "launch/train_rl.launch.py")
    witnesses = prefix.parent / "witnesses"
    witnesses.mkdir()
    launched = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, file, f"runs:={prefix.parent / 'runs'}"],
        env={**os.environ, **env(prefix, 99, "done"), "WITNESSES": str(witnesses)},
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 10.0
    while len(list(witnesses.glob("*.json"))) < 7:
        assert time.monotonic() < end, "the nodes did not start"
        time.sleep(0.05)
    nodes = children(launched.pid)
    assert len(nodes) == 7

    launched.kill()
    launched.wait()

    while any(Path(f"/proc/{pid}/exe").exists() for pid in nodes):
        assert time.monotonic() < end, "a node lives on"
        time.sleep(0.05)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize(
    ("word", "message"),
    [("demos:=x", "a whole number of at least 0"), ("robot:=simm", "sim"), ("task:=a", "variant")],
)
def test_a_bad_argument_ends_the_launch(prefix: Path, word: str, message: str) -> None:
    launched = launch(prefix, "train_rl", (word,), 7)

    assert launched.code == 1
    assert message in launched.output
    assert not launched.seen
