# SPDX-License-Identifier: Apache-2.0
"""Runs whose arm goes to every start through the gate; and what becomes of one whose plug sticks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from harness import Processes, expect_exit, spin_until
from rclpy.node import Node
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.bags.bag_reader import read_summary
from rldg_core.task import load_task
from rldg_msgs.msg import Episode, RunStatus, SafetyState
from rldg_rl.environment.reset_motion import NEAR
from rldg_rl.episodes.bag import recorded_steps
from rldg_robot.ros import listen_to

VGA = load_task("connector/vga")


class Person(Node):
    """Watches the panel, and can release the gate."""

    def __init__(self) -> None:
        super().__init__("person")
        self.run = RunStatus()
        self.safety = SafetyState()
        self.episodes: list[Episode] = []
        listen_to(self, contract.RUN_STATUS, lambda m: setattr(self, "run", m))
        listen_to(self, contract.SAFETY_STATE, lambda m: setattr(self, "safety", m))
        listen_to(self, contract.EPISODE, self.episodes.append)
        self._gate = self.create_client(Trigger, contract.SAFETY_RESET)

    def until(self, condition, what: str) -> None:
        spin_until(self, condition, what)

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.05)

    def release(self) -> str:
        answer = self._gate.call_async(Trigger.Request())
        self.until(answer.done, "the gate's answer")
        return answer.result().message


@pytest.fixture
def person(domain: int) -> Iterator[Person]:
    rclpy.init()
    node = Person()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def check_starts(run: Path) -> int:
    """Every recorded episode begins at rest, at the height of the starts; returns how many there are."""
    bags = sorted((run / "bags").iterdir())
    for bag in bags:
        first = next(iter(recorded_steps(bag, VGA, looks=False))).seen
        start = first.pose.relative_to(VGA.first_pose)
        assert abs(start.position[2] + VGA.reset.height) < NEAR
        assert np.abs(start.position[:2]).max() < VGA.reset.xy + NEAR
        assert np.linalg.norm(first.twist[:3]) < 0.01
    return len(bags)


def test_a_training_in_miniature_without_a_jump(processes: Processes) -> None:
    run = processes.folder / "runs" / "mini"
    words = {"task": VGA.id, "name": "mini", "demos": 2, "steps": 60, "episodes": 2}
    stack = processes.stack("train_rl", **words, resets="motion")
    expect_exit(stack)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["demos"] >= 2 and summary["evaluation"]["episodes"] == 2
    assert summary["updates"] == 2 * summary["steps"], "a reset's steps are none of the learner's"
    assert check_starts(run) == summary["resets"]["count"]
    assert 0.5 < summary["resets"]["mean_seconds"] < 4.0 and summary["resets"]["stalled"] == 0
    assert "s each, 0 times stuck" in stack.log.read_text()


def test_a_plug_that_sticks_blocks_the_run_until_a_person_came(
    processes: Processes, person: Person
) -> None:
    run, glue = processes.folder / "runs" / "mini", processes.folder / "glue"
    glue.touch()
    source = str(Path(__file__).with_name("held_twin.py"))
    processes.start(sys.executable, source, str(glue), "--ros-args", "-p", f"task:={VGA.id}")
    common = {"task": VGA.id, "use_sim_time": True}
    processes.node("rldg_robot", "safety_gate", **common)
    processes.node("rldg_robot", "operator", **common)
    processes.node("rldg_rl", "recorder", run=run, use_sim_time=True)
    leads = {"mode": "collect", "source": "demonstration", "episodes": 3, "resets": "motion"}
    actor = processes.node("rldg_rl", "actor", run=run, **common, **leads)

    person.until(lambda: person.run.attention, "a stalled reset")
    assert "did not get up" in person.run.attention and "gate reset" in person.run.attention
    assert person.safety.state == SafetyState.STOPPED
    person.watch(3.0)
    assert {e.episode_id for e in person.episodes} == {"demonstration_00000"}, "no other began"
    assert person.run.attention and person.safety.state == SafetyState.STOPPED, "nor released"
    assert (
        person.run.phase == "collection" and "the gate stopped (emergency stop)" in person.run.note
    )

    glue.unlink()
    assert person.release() == "released: emergency stop"
    person.until(lambda: actor.poll() is not None, "the run's end")
    assert actor.returncode == 0, actor.log.read_text()
    assert not person.run.attention
    assert check_starts(run) == 3
    assert all(read_summary(bag).status == "success" for bag in (run / "bags").iterdir())
    resets = json.loads((run / "summary.json").read_text())["resets"]
    assert (resets["count"], resets["stalled"]) == (3, 1)
