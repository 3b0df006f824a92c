# SPDX-License-Identifier: Apache-2.0
"""Every rule of the safety gate, one test each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rldg_core.gate_reason import PASSING, Reason, ReasonCode
from rldg_core.message_values import SECOND
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_robot.safety import BACK, OUT, Gate, GateState, Grip, distance_outside_box

NOW = 1_000 * SECOND
PRESSED = Reason(ReasonCode.EMERGENCY_STOP, "emergency stop")
GRIP = Grip(0.04, 0.1, 10.0)
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


def turned(yaw: float) -> Pose:
    return START @ Pose.from_rotvec(np.zeros(3), [0.0, 0.0, yaw])


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
    decision = gate.command(later(5.0), "base", START, NOW)
    assert not decision.passed and "5.00 s ahead of the gate's clock" in decision.reason
    silence = gate.watch(later(-5.0))
    assert silence is not None and "5.00 s ahead of the gate's clock" in silence.reason


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
    tilted = turned(TASK.box.rotation[2])
    gate.on_state(NOW, tilted)
    gate.on_image(NOW)
    gate.on_wrench(NOW, np.zeros(6))
    decision = gate.command(NOW, "base", turned(-TASK.box.rotation[2]), NOW)
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
    assert gate.state is GateState.HOLD and name in gate.reason.text
    assert gate.reason.code is ReasonCode.SILENT


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
        gate.stop(PRESSED)
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
    assert gate.state is GateState.STOPPED and "wrench" in gate.reason.text
    assert gate.reason.code is ReasonCode.WRENCH and not gate.reason.code.needs_person
    assert not gate.command(NOW, "base", moved(x=0.01), NOW).passed


def test_a_wrench_within_the_limit_does_not_stop(gate: Gate) -> None:
    gate.on_wrench(NOW, np.array([30.0, 30.0, 30.0, 1.0, 1.0, 1.0]))
    assert gate.state is GateState.PASS


def test_an_emergency_stop_holds_until_an_explicit_reset(gate: Gate) -> None:
    gate.stop(PRESSED)
    decision = gate.command(NOW, "base", moved(x=0.01), NOW)
    assert not decision.passed and decision.reason == "emergency stop"
    assert np.allclose(decision.target.position, START.position)
    assert gate.gripper(NOW, GRIP, NOW) == (None, "emergency stop")
    assert gate.reset() == PRESSED
    assert gate.command(NOW, "base", moved(x=0.01), NOW).passed


def test_a_second_stop_does_not_hide_the_first_reason(gate: Gate) -> None:
    gate.stop(PRESSED)
    gate.on_wrench(NOW, np.full(6, 100.0))
    assert gate.reason == PRESSED


def test_a_reset_does_not_move_the_arm(gate: Gate) -> None:
    gate.stop(PRESSED)
    gate.reset()
    assert gate.state is GateState.HOLD and gate.watch(NOW) is None
    assert gate.reset() is None, "it is not stopped"


def test_a_gate_says_for_programs_why_it_waits_and_that_it_passes(gate: Gate) -> None:
    assert gate.reason == PASSING
    assert Gate(TASK).reason.code is ReasonCode.WAITING
    gate.take_up(replace(TASK, variant="other"))
    assert gate.reason.code is ReasonCode.WAITING


def test_another_tasks_limits_hold_from_the_moment_they_are_taken_up(gate: Gate) -> None:
    narrow = replace(
        TASK, variant="narrow", box=replace(TASK.box, lower=(-0.001,) * 3, upper=(0.06,) * 3)
    )
    aside = moved(x=-0.01)
    assert not gate.command(NOW, "base", aside, NOW).clamped
    gate.take_up(TASK)
    assert gate.state is GateState.PASS, "the same task changes nothing"
    gate.take_up(narrow)
    assert gate.state is GateState.HOLD and "connector/narrow" in gate.reason.text
    passed = gate.command(NOW, "base", aside, NOW)
    assert passed.clamped
    assert passed.target.position[0] == pytest.approx(TASK.goal_pose.position[0] - 0.001)


def test_taking_up_a_task_releases_no_stop(gate: Gate) -> None:
    gate.stop(PRESSED)
    gate.take_up(replace(TASK, variant="other"))
    assert gate.state is GateState.STOPPED and gate.reason == PRESSED


def test_it_waits_for_the_state_that_a_target_was_decided_on(gate: Gate) -> None:
    assert gate.knows_state_of(NOW)
    assert not gate.knows_state_of(later(0.1))
    assert not Gate(TASK).knows_state_of(0), "an unstamped target, before the first state"


def test_gripper_commands_are_clamped_and_checked(gate: Gate) -> None:
    def passed(*numbers: float) -> Grip | None:
        return gate.gripper(NOW, Grip(*numbers), NOW)[0]

    assert passed(0.5, 0.1, 10.0) == Grip(0.08, 0.1, 10.0)
    assert passed(-1.0, 0.1, 10.0) == Grip(0.0, 0.1, 10.0)
    assert passed(0.04, 1e30, -1e30) == Grip(0.04, 0.2, 140.0)
    assert passed(float("nan"), 0.1, 10.0) is None
    assert passed(0.04, 0.1, float("inf")) is None
    assert gate.rejected == 2


@pytest.mark.parametrize("seconds", [-0.5, 5.0])
def test_a_grippers_command_of_another_time_is_rejected(gate: Gate, seconds: float) -> None:
    grip, fault = gate.gripper(later(seconds), GRIP, NOW)
    assert grip is None and "its stamp is" in fault
    assert gate.gripper_due(NOW) is None


def test_the_gripper_of_a_held_arm_waits_for_the_target_of_its_moment() -> None:
    gate = Gate(TASK)
    assert gate.gripper(NOW, GRIP, NOW) == (None, "")
    for hear in (gate.on_image, lambda now: gate.on_wrench(now, np.zeros(6))):
        hear(NOW)
    gate.on_state(NOW, START)
    assert gate.command(NOW, "base", START, NOW).passed
    assert gate.gripper_due(NOW) == (NOW, GRIP)
    assert gate.gripper_due(NOW) is None, "once"


def test_a_gripper_that_waited_too_long_does_not_move() -> None:
    gate = Gate(TASK)
    gate.gripper(NOW, GRIP, NOW)
    assert gate.gripper_due(later(0.5)) is None


def test_a_stop_rejects_the_gripper_that_waits() -> None:
    gate = Gate(TASK)
    gate.gripper(NOW, GRIP, NOW)
    gate.stop(PRESSED)
    gate.reset()
    assert gate.gripper_due(NOW) is None


# An arm outside of its box

FAR = Pose(TASK.goal_pose.position + [-0.15, 0.35, 0.02], TASK.goal_pose.quaternion)
TURNED = TASK.goal_pose @ Pose.from_rotvec([0.0, 0.0, -0.02], [0.0, 0.0, 3.1])


def heard(gate: Gate, pose: Pose, now: int) -> None:
    gate.on_state(now, pose)
    gate.on_wrench(now, np.zeros(6))
    gate.on_image(now)


@pytest.mark.parametrize("place", [FAR, TURNED], ids=["position", "rotation"])
@pytest.mark.parametrize("wanted", ["stay", "goal"])
def test_an_arm_outside_of_its_box_is_not_pulled_to_it(place: Pose, wanted: str) -> None:
    gate, arm = Gate(TASK), place
    for step in range(1, 41):
        now = later(0.1 * step)
        heard(gate, arm, now)
        target = arm if wanted == "stay" else TASK.goal_pose
        decision = gate.command(now, "base", target, now)
        assert not decision.passed and not decision.clamped
        arm = decision.target
    assert np.array_equal(arm.position, place.position)
    assert np.linalg.norm(arm.relative_to(place).rotvec) < 1e-9
    assert gate.state is GateState.HOLD
    assert "outside of the box of connector/vga: guide it back by hand" in gate.reason.text
    assert ("310 mm" if place is FAR else "3.0 rad") in gate.reason.text
    assert gate.reason.code is ReasonCode.OUTSIDE_BOX and gate.reason.code.needs_person


def test_it_is_reported_from_the_beginning_that_the_arm_is_outside_and_that_it_is_back() -> None:
    gate = Gate(TASK)
    gate.on_state(NOW, FAR)
    assert gate.watch(NOW) is None and "outside" in gate.reason.text
    gate.on_state(later(0.1), START)
    assert gate.watch(later(0.1)) is None and "waiting for the policy" in gate.reason.text
    assert gate.reason.code is ReasonCode.WAITING
    heard(gate, START, later(0.2))
    assert gate.command(later(0.2), "base", START, later(0.2)).passed


def test_an_arm_that_is_pushed_out_is_held_where_it_is(gate: Gate) -> None:
    out = Pose(TASK.goal_pose.position + [0.12, 0.0, 0.02], START.quaternion)
    heard(gate, out, later(0.1))
    decision = gate.watch(later(0.1))
    assert decision is not None and "60 mm outside" in decision.reason
    assert np.array_equal(decision.target.position, out.position)


def test_an_arm_that_is_out_by_little_is_led_and_does_not_flap(gate: Gate) -> None:
    def step(number: int, away: float) -> GateState:
        now = later(0.1 * number)
        edge = TASK.goal_pose.position + [TASK.box.upper[0] + away, 0.0, 0.02]
        heard(gate, Pose(edge, START.quaternion), now)
        gate.command(now, "base", Pose(edge, START.quaternion), now)
        gate.watch(now)
        return gate.state

    near, between, out = BACK - 1e-3, (BACK + OUT) / 2, OUT + 1e-3
    held = [step(number, away) for number, away in enumerate([near, between] * 3, 1)]
    assert set(held) == {GateState.PASS}
    assert step(7, out) is GateState.HOLD
    assert [step(number, between) for number in (8, 9)] == [GateState.HOLD] * 2
    assert step(10, near) is GateState.PASS


def test_how_far_out_is_reported_for_any_pose() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        turn = rng.normal(size=3) * rng.choice([0.01, 0.1, 1.0, 3.0])
        pose = TASK.goal_pose @ Pose.from_rotvec(rng.normal(size=3) * 0.1, turn)
        away, angle = distance_outside_box(pose, TASK)
        assert 0.0 <= angle <= np.pi + 1e-9 and away >= 0.0
        gate = Gate(TASK)
        heard(gate, pose, NOW)
        decision = gate.command(NOW, "base", pose, NOW)
        moved = np.linalg.norm(decision.target.position - pose.position)
        assert moved <= OUT + 1e-9, "an arm is led back from a small way outside alone"
        assert decision.passed == (away <= OUT and angle <= 0.1)


def test_another_task_has_another_box_to_be_outside_of(gate: Gate) -> None:
    away = replace(TASK, variant="away", goal=replace(TASK.goal, position=(0.3, 0.3, 0.2)))
    gate.take_up(away)
    decision = gate.command(NOW, "base", START, NOW)
    assert not decision.passed and "outside of the box of connector/away" in decision.reason
    gate.take_up(TASK)
    assert gate.command(NOW, "base", START, NOW).passed


# Somebody else


def test_while_somebody_else_publishes_nothing_passes(gate: Gate) -> None:
    gate.rivals = "target_pose has 2 publishers, also /intruder: stop it"
    held = gate.watch(NOW)
    assert held is not None and "/intruder" in held.reason
    assert gate.reason.code is ReasonCode.SECOND_PUBLISHER and gate.reason.code.needs_person
    assert gate.gripper(NOW, GRIP, NOW)[0] is None
    decision = gate.command(NOW, "base", moved(x=0.01), NOW)
    assert not decision.passed and "/intruder" in decision.reason
    gate.rivals = ""
    gate.watch(NOW)
    assert "waiting for the policy" in gate.reason.text
    assert gate.command(NOW, "base", moved(x=0.01), NOW).passed


def test_an_emergency_stop_is_not_hidden_by_a_stop_for_a_wrench(gate: Gate) -> None:
    gate.on_wrench(NOW, np.full(6, 100.0))
    assert gate.reason.code is ReasonCode.WRENCH and gate.reason.text.startswith("external wrench")
    gate.stop(PRESSED)
    gate.on_wrench(NOW, np.full(6, 100.0))
    assert gate.reason == PRESSED, "nobody but a person releases it"
