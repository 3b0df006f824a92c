# SPDX-License-Identifier: Apache-2.0
"""The scripted operator: inserts, is human about it, and helps only when and where it should."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_robot.message_values import SECOND
from rldg_robot.poses import Pose
from rldg_robot.scripted_operator import Attention, Flaws, ScriptedOperator, Sight
from rldg_robot.task import Task, load_task
from rldg_robot.teleop import action_from_twist
from rldg_robot.twin import Twin

TASK = load_task("connector/vga")
PERIOD = int(SECOND * TASK.period)
FLAWLESS = Flaws(delay=0.0, noise=0.0, overshoot=0.0, pauses=0.0, speed=1.0)
ALWAYS = Attention(probability=1.0)


def sight(stamp: int, z: float = 0.05) -> Sight:
    """The goal lies straight ahead, `z` m along the tool."""
    pose = TASK.goal_pose @ Pose.from_rotvec([0, 0, -z], np.zeros(3))
    return Sight(stamp, pose, TASK.goal_pose.relative_to(pose))


def demonstrate(task: Task, operator: ScriptedOperator, seed: int) -> float | None:
    """Seconds until success, or None."""
    twin = Twin(task)
    twin.reset(seed)
    operator.begin("demonstration")
    for step in range(task.horizon):
        stamp = SECOND + step * PERIOD
        deflection = operator.deflection(Sight(stamp, twin.pose, twin.offset))
        action = action_from_twist(deflection, twin.pose.quaternion)
        scale = task.action_scale
        target = twin.pose @ Pose.from_rotvec(
            action[:3] * scale.translation, action[3:] * scale.rotation
        )
        twin.step(target, task.period)
        if twin.success:
            return (step + 1) * task.period
    return None


@pytest.mark.parametrize(
    "name", ["vga", "usb_a", "ethernet", "usb_c", "hdmi", "displayport", "xlr"]
)
def test_it_demonstrates_every_connector(name: str) -> None:
    task = load_task(f"connector/{name}")
    operator = ScriptedOperator(task, seed=0)
    durations = [demonstrate(task, operator, seed) for seed in range(6)]
    assert sum(d is not None for d in durations) >= 5


def test_flaws_cost_time() -> None:
    human = ScriptedOperator(TASK, seed=1)
    machine = ScriptedOperator(TASK, seed=1, flaws=FLAWLESS)
    human_times = [demonstrate(TASK, human, seed) or 10.0 for seed in range(5)]
    machine_times = [demonstrate(TASK, machine, seed) or 10.0 for seed in range(5)]
    assert np.mean(human_times) > 1.5 * np.mean(machine_times)


def test_it_acts_on_what_it_saw_a_moment_ago() -> None:
    operator = ScriptedOperator(TASK, 0, Flaws(delay=0.2, noise=0.0, overshoot=0.0, pauses=0.0))
    operator.begin("demonstration")
    stamps = [SECOND + i * PERIOD for i in range(4)]
    pushes_down = operator.deflection(sight(stamps[0]))[2]
    assert pushes_down < 0.0
    beside = Pose.from_rotvec([0.02, 0.0, 0.01], np.zeros(3))  # 2 cm off and low: time to lift
    verticals = [operator.deflection(Sight(s, TASK.goal_pose, beside))[2] for s in stamps[1:]]
    assert verticals[0] < 0.0, "it cannot have seen this yet"
    assert verticals[2] > 0.0


@pytest.mark.parametrize("source", ["evaluation", ""])
def test_hands_off_where_it_has_no_business(source: str) -> None:
    operator = ScriptedOperator(TASK, 0, attention=ALWAYS)
    operator.begin(source)
    for step in range(80):
        assert not operator.deflection(sight(SECOND + step * PERIOD)).any()


def test_it_helps_a_policy_that_is_stuck_and_lets_go_again() -> None:
    operator = ScriptedOperator(TASK, 0, attention=ALWAYS)
    operator.begin("policy")
    active = [bool(operator.deflection(sight(SECOND + i * PERIOD)).any()) for i in range(55)]
    assert not any(active[:30]), "it waits for its patience"
    assert any(active[31:50]), "then it helps"
    assert not active[54], "and lets go"


def test_it_leaves_a_policy_alone_that_comes_nearer() -> None:
    operator = ScriptedOperator(TASK, 0, attention=ALWAYS)
    operator.begin("policy")
    for i in range(50):
        nearer = sight(SECOND + i * PERIOD, z=0.2 - 0.0035 * i)
        assert not operator.deflection(nearer).any()


def test_the_same_seed_makes_the_same_hand() -> None:
    hands = []
    for _ in range(2):
        operator = ScriptedOperator(TASK, 7)
        operator.begin("demonstration")
        hands.append([operator.deflection(sight(SECOND + i * PERIOD)) for i in range(20)])
    assert np.array_equal(*hands)
    assert np.abs(hands).max() <= 1.0
