# SPDX-License-Identifier: Apache-2.0
"""Every rule of the safety gate, one test each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rldg_robot.message_values import SECOND
from rldg_robot.poses import Pose
from rldg_robot.safety import Gate, GateState
from rldg_robot.stop_memory import StopMemory
from rldg_robot.task import load_task

NOW = 1_000 * SECOND
TASK = load_task("connector/vga")
START = TASK.goal_pose @ Pose.from_rotvec([0.0, 0.0, -0.04], np.zeros(3))


@pytest.fixture
def gate() -> Gate:
    """A gate that has just heard of everything and passed a target."""
    gate = Gate(TASK)
    gate.on_state(NOW, START)
    gate.on_image(NOW)
    gate.on_wrench(NOW, np.zeros(6))
    assert gate.command(NOW, "base", START, NOW).passed
    return gate


def moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Pose:
    return Pose(START.position + [x, y, z], START.quaternion)


def later(seconds: float) -> int:
    return NOW + int(seconds * SECOND)


def test_an_honest_target_passes_unchanged(gate: Gate) -> None:
    decision = gate.command(NOW, "base", moved(x=0.01), NOW)
    assert decision.passed and not decision.clamped
    assert np.allclose(decision.target.position, moved(x=0.01).position)
    assert gate.state is GateState.PASS


def test_a_full_action_on_every_axis_is_no_step_too_large(gate: Gate) -> None:
    scale = TASK.action_scale
    full = START @ Pose.from_rotvec(np.full(3, scale.translation), np.zeros(3))
    assert not gate.command(NOW, "base", full, NOW).clamped


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_not_a_number_is_rejected_and_the_arm_holds(gate: Gate, broken: float) -> None:
    decision = gate.command(NOW, "base", moved(x=broken), NOW)
    assert not decision.passed and "NaN" in decision.reason
    assert np.allclose(decision.target.position, START.position)
    assert gate.rejected == 1


def test_a_quaternion_that_is_no_rotation_is_rejected(gate: Gate) -> None:
    decision = gate.command(NOW, "base", Pose(START.position, np.zeros(4)), NOW)
    assert not decision.passed and "quaternion" in decision.reason


def test_a_wrong_frame_is_rejected(gate: Gate) -> None:
    decision = gate.command(NOW, "world", START, NOW)
    assert not decision.passed and "'world'" in decision.reason


def test_a_stale_stamp_is_rejected(gate: Gate) -> None:
    decision = gate.command(later(-0.5), "base", START, NOW)
    assert not decision.passed and "0.50 s old" in decision.reason


def test_a_stamp_from_the_future_is_rejected(gate: Gate) -> None:
    assert not gate.command(later(5.0), "base", START, NOW).passed


def test_a_target_out_of_the_box_is_clamped_into_it(gate: Gate) -> None:
    edge = Pose(TASK.goal_pose.position + [TASK.box.upper[0], 0.0, 0.04], START.quaternion)
    gate.on_state(NOW, edge)
    beyond = Pose(edge.position + [0.01, 0.0, 0.0], edge.quaternion)
    decision = gate.command(NOW, "base", beyond, NOW)
    assert decision.passed and decision.clamped
    assert np.allclose(decision.target.position, edge.position, atol=1e-9)
    assert gate.clamped == 1


def test_a_rotation_out_of_the_box_is_clamped_into_it(gate: Gate) -> None:
    limit = TASK.box.rotation[2]
    turned = START @ Pose.from_rotvec(np.zeros(3), [0.0, 0.0, limit])
    gate.on_state(NOW, turned)
    beyond = turned @ Pose.from_rotvec(np.zeros(3), [0.0, 0.0, 0.1])
    decision = gate.command(NOW, "base", beyond, NOW)
    assert decision.clamped
    assert np.allclose(
        (TASK.goal_pose.inverse() @ decision.target).rotvec, [0, 0, limit], atol=1e-6
    )


def test_too_large_a_step_is_shortened(gate: Gate) -> None:
    decision = gate.command(NOW, "base", moved(x=0.05), NOW)
    length = np.linalg.norm(decision.target.position - START.position)
    assert decision.clamped and 0.015 <= length < 0.03


def test_too_large_a_turn_is_shortened() -> None:
    gate = Gate(TASK)
    tilted = START @ Pose.from_rotvec(np.zeros(3), [0.0, 0.0, 1.0])
    gate.on_state(NOW, tilted)
    gate.on_image(NOW)
    gate.on_wrench(NOW, np.zeros(6))
    decision = gate.command(NOW, "base", START, NOW)
    angle = np.linalg.norm((tilted.inverse() @ decision.target).rotvec)
    assert decision.clamped and 0.1 <= angle < 0.2


@pytest.mark.parametrize(
    ("silent", "name"),
    [("image", "camera"), ("state", "state"), ("wrench", "wrench"), ("command", "policy")],
)
def test_silence_holds_the_arm(gate: Gate, silent: str, name: str) -> None:
    now = later(1.0)
    if silent != "state":
        gate.on_state(now, moved(x=0.002))
    if silent != "wrench":
        gate.on_wrench(now, np.zeros(6))
    if silent != "image":
        gate.on_image(now)
    if silent != "command":
        gate.command_stamp = now
    decision = gate.watch(now)
    assert decision is not None and name in decision.reason
    assert gate.state is GateState.HOLD and name in gate.reason


def test_held_by_silence_a_target_is_rejected_until_the_stream_is_back(gate: Gate) -> None:
    now = later(1.0)
    gate.on_state(now, START)
    gate.on_wrench(now, np.zeros(6))
    decision = gate.command(now, "base", START, now)
    assert not decision.passed and "camera" in decision.reason
    gate.on_image(now)
    assert gate.command(now, "base", START, now).passed
    assert gate.state is GateState.PASS


def test_a_camera_that_never_spoke_is_silent() -> None:
    gate = Gate(TASK)
    gate.on_state(NOW, START)
    gate.on_wrench(NOW, np.zeros(6))
    decision = gate.command(NOW, "base", START, NOW)
    assert not decision.passed and "the wrist image was never heard" in decision.reason


def test_the_held_arm_does_not_creep(gate: Gate) -> None:
    gate.watch(later(1.0))
    held = gate.hold_pose.position
    gate.on_state(later(1.1), moved(z=-0.01))
    assert np.allclose(gate.hold_pose.position, held)


@pytest.mark.parametrize("stopped", [True, False])
def test_an_arm_that_somebody_moved_stays_where_they_put_it(gate: Gate, stopped: bool) -> None:
    if stopped:
        gate.stop("emergency stop")
    else:
        gate.watch(later(1.0))
    for step in range(1, 51):  # guided 10 cm up
        gate.on_state(later(1.0 + 0.01 * step), moved(z=0.002 * step))
    now = later(1.5)
    decision = gate.command(now, "world", moved(z=0.1), now)
    assert not decision.passed
    assert np.linalg.norm(decision.target.position - moved(z=0.1).position) < 0.027


@pytest.mark.parametrize("wrench", [[61, 0, 0, 0, 0, 0], [0, 0, 0, 0, 11, 0], [np.nan] + [0] * 5])
def test_the_wrench_limit_stops(gate: Gate, wrench: list[float]) -> None:
    gate.on_wrench(NOW, np.array(wrench, float))
    assert gate.state is GateState.STOPPED and "wrench" in gate.reason
    assert not gate.command(NOW, "base", moved(x=0.01), NOW).passed


def test_a_wrench_within_the_limit_does_not_stop(gate: Gate) -> None:
    gate.on_wrench(NOW, np.array([30.0, 30.0, 30.0, 1.0, 1.0, 1.0]))
    assert gate.state is GateState.PASS


def test_an_emergency_stop_holds_until_an_explicit_reset(gate: Gate) -> None:
    gate.stop("emergency stop")
    decision = gate.command(NOW, "base", moved(x=0.01), NOW)
    assert not decision.passed and decision.reason == "emergency stop"
    assert np.allclose(decision.target.position, START.position)
    assert gate.gripper(0.04, 0.1, 10.0) is None
    assert "emergency stop" in gate.reset()
    assert gate.command(NOW, "base", moved(x=0.01), NOW).passed


def test_a_stop_is_remembered_until_it_is_released(tmp_path: Path) -> None:
    memory = StopMemory(str(tmp_path / "stopped"))
    assert memory.recall() == ""
    memory.keep("emergency stop")
    assert StopMemory(str(tmp_path / "stopped")).recall() == "emergency stop"
    memory.keep("")
    memory.keep("")
    assert memory.recall() == "" and not list(tmp_path.iterdir())


def test_a_second_stop_does_not_hide_the_first_reason(gate: Gate) -> None:
    gate.stop("emergency stop")
    gate.on_wrench(NOW, np.full(6, 100.0))
    assert gate.reason == "emergency stop"


def test_a_reset_does_not_move_the_arm(gate: Gate) -> None:
    gate.stop("emergency stop")
    gate.reset()
    assert gate.state is GateState.HOLD and gate.watch(NOW) is None


def test_another_tasks_limits_hold_from_the_moment_they_are_taken_up(gate: Gate) -> None:
    narrow = replace(
        TASK, variant="narrow", box=replace(TASK.box, lower=(-0.001,) * 3, upper=(0.06,) * 3)
    )
    aside = moved(x=-0.01)
    assert not gate.command(NOW, "base", aside, NOW).clamped
    gate.take_up(TASK)
    assert gate.state is GateState.PASS, "the same task changes nothing"
    gate.take_up(narrow)
    assert gate.state is GateState.HOLD and "connector/narrow" in gate.reason
    passed = gate.command(NOW, "base", aside, NOW)
    assert passed.clamped
    assert passed.target.position[0] == pytest.approx(TASK.goal_pose.position[0] - 0.001)


def test_taking_up_a_task_releases_no_stop(gate: Gate) -> None:
    gate.stop("emergency stop")
    gate.take_up(replace(TASK, variant="other"))
    assert gate.state is GateState.STOPPED and gate.reason == "emergency stop"


def test_it_waits_for_the_state_that_a_target_was_decided_on(gate: Gate) -> None:
    assert gate.knows_state_of(NOW)
    assert not gate.knows_state_of(later(0.1))
    assert not Gate(TASK).knows_state_of(0), "an unstamped target, before the first state"


def test_gripper_commands_are_clamped_and_checked(gate: Gate) -> None:
    assert gate.gripper(0.5, 0.1, 10.0) == (0.08, 0.1, 10.0)
    assert gate.gripper(-1.0, 0.1, 10.0) == (0.0, 0.1, 10.0)
    assert gate.gripper(float("nan"), 0.1, 10.0) is None
