# SPDX-License-Identifier: Apache-2.0
"""Resets as motions through the gate: on the twin, from where episodes end, and where the arm is held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.gripper_command import CLOSE
from rldg_core.poses import Pose
from rldg_core.task import Task, load_task
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.environment.reset_count import ResetCount, keep_resets, read_resets, summarize_resets
from rldg_rl.environment.reset_motion import (
    NEAR,
    ResetStalled,
    approach,
    bring_to_start,
    has_arrived,
    next_target,
    time_limit,
    withdrawal,
)
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.run_folder import RunFolder
from rldg_robot.safety import into_box
from rldg_robot.simulation.twin import Twin

VGA = load_task("connector/vga")
FMB = load_task("fmb_insertion/rectangle")
PEPPER = load_task("pick_place/pepper")
ASSEMBLY = load_task("fmb_assembly/rectangle")


class Watched(DirectRobot):
    """Keeps what it was asked for, and where it was."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, looks=False)
        self.asked: list[Pose] = []
        self.were: list[Pose] = []

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        """Note the target and the pose that it was decided on."""
        self.asked.append(target)
        self.were.append(self.twin.pose)
        super().act(target, gripper, stamp)


def go(robot: DirectRobot, target: Pose, steps: int, gripper: float = 0.0) -> None:
    """Follow targets, as an episode does."""
    task = robot.twin.task
    for _ in range(steps):
        seen = robot.measure()
        robot.act(next_target(task, seen.pose, target), gripper, seen.state_stamp)


def insert(robot: DirectRobot) -> None:
    """The end of a successful insertion: over the hole, then down."""
    goal = robot.twin.goal
    go(robot, Pose(goal.position + [0.0, 0.0, 0.03], goal.quaternion), 40)
    go(robot, goal, 25)


def hold(twin: Twin, newtons: float) -> None:
    """Somebody pulls the plug down, away from where the arm is to go; 0: lets go."""
    twin.data.body("plug").xfrc_applied[2] = -newtons


def test_out_of_the_hole_and_to_the_start_that_the_twin_draws() -> None:
    robot = Watched(VGA)
    robot.reset(0, VGA.id)
    insert(robot)
    assert robot.twin.success
    inside = robot.measure()
    robot.asked.clear()
    robot.were.clear()

    seen = bring_to_start(robot, VGA, seed=5)
    twin = Twin(VGA)
    twin.reset(5)
    left = twin.pose.relative_to(seen.pose)
    assert np.linalg.norm(left.position) < NEAR and np.linalg.norm(left.rotvec) < 0.03
    assert np.linalg.norm(seen.twist[:3]) < 0.01 and not seen.success
    assert robot.gate.clamped == 0 and robot.gate.rejected == 0

    largest = VGA.action_scale.translation
    for pose, target in zip(robot.were, robot.asked, strict=True):
        assert np.linalg.norm(target.position - pose.position) <= largest + 1e-9
        in_box = into_box(target, VGA)
        assert np.linalg.norm(in_box.position - target.position) < 1e-6
    # Nothing but up while the plug is in the socket.
    low = [pose for pose in robot.were if pose.position[2] < inside.pose.position[2] + 0.02]
    aside = max(np.linalg.norm((pose.position - inside.pose.position)[:2]) for pose in low)
    assert len(low) > 2 and aside < 0.001
    assert seen.state_stamp - inside.state_stamp < 4e9


def test_a_leg_goes_up_as_far_as_the_starts_and_never_down() -> None:
    start = VGA.draw_start(np.random.default_rng(1))
    low = Pose(start.position - [0.0, 0.0, 0.04], start.quaternion)
    end = withdrawal(VGA, low).end
    np.testing.assert_allclose(end.position, start.position, atol=1e-9)
    np.testing.assert_allclose(end.relative_to(low).rotvec, 0.0, atol=1e-9)
    high = Pose(start.position + [0.0, 0.0, 0.008], start.quaternion)
    np.testing.assert_allclose(withdrawal(VGA, high).end.position, high.position, atol=1e-9)
    tilted = high @ Pose.from_rotvec(np.zeros(3), [0.2, 0.0, 0.0])
    turn = withdrawal(VGA, tilted).end.relative_to(VGA.goal_pose).rotvec
    assert abs(turn[0]) <= VGA.box.rotation[0] + 1e-9, "the gate would not let it pass"


def test_a_longer_way_has_more_time() -> None:
    here = VGA.goal_pose
    near, far = (here @ Pose.from_rotvec([0, 0, -d], np.zeros(3)) for d in (0.01, 0.05))
    assert time_limit(VGA, here, here) == 2.0
    assert time_limit(VGA, here, far) - 2.0 == pytest.approx(5 * (time_limit(VGA, here, near) - 2))
    turned = here @ Pose.from_rotvec(np.zeros(3), [0, 0, 0.4])
    assert time_limit(VGA, here, turned) > time_limit(VGA, here, near)


@pytest.mark.parametrize("task", [FMB, PEPPER, ASSEMBLY], ids=lambda task: task.id)
def test_every_family(task: Task) -> None:
    robot = Watched(task)
    robot.reset(0, task.id)
    if task is FMB:
        insert(robot)
        assert robot.twin.success
    else:
        go(robot, robot.twin.goal, 40)
        go(robot, robot.twin.goal, 10, CLOSE)
        assert robot.measure().gripper_width < 0.07
    seen = bring_to_start(robot, task, seed=5)
    assert has_arrived(seen, approach(task, 5).end)
    twin = Twin(task)
    twin.reset(5)
    for found, drawn in zip(robot.twin.objects, twin.objects, strict=True):
        np.testing.assert_allclose(found.position, drawn.position, atol=2e-3)
    assert robot.gate.rejected == 0


def test_a_held_arm_is_reported_and_goes_on_once_it_is_free() -> None:
    robot = Watched(VGA)
    robot.reset(0, VGA.id)
    insert(robot)
    hold(robot.twin, 40.0)
    before = robot.measure()
    with pytest.raises(
        ResetStalled, match=r"did not get up in .* s: 5\d mm .* presses it with \d+ N"
    ):
        bring_to_start(robot, VGA, seed=5)
    after = robot.measure()
    limit = time_limit(VGA, before.pose, withdrawal(VGA, before.pose).end)
    waited = (after.state_stamp - before.state_stamp) / 1e9
    assert 2 * limit <= waited < 2 * limit + 1.0, "tried twice"
    assert not robot.stopped and after.success, "pulled at no harder than the compliance allows"
    hold(robot.twin, 0.0)
    assert has_arrived(bring_to_start(robot, VGA, seed=5), approach(VGA, 5).end)


def test_an_arm_that_comes_free_at_the_second_attempt_needs_no_person() -> None:
    robot = Watched(VGA)
    robot.reset(0, VGA.id)
    insert(robot)
    hold(robot.twin, 40.0)
    plain, calls = robot.measure, []

    def measure():  # the second attempt begins with it
        calls.append(1)
        if len(calls) == 2:
            hold(robot.twin, 0.0)
        return plain()

    robot.measure = measure  # type: ignore[method-assign]
    assert has_arrived(bring_to_start(robot, VGA, seed=5), approach(VGA, 5).end)
    assert len(calls) == 2


def test_a_box_that_forbids_the_way_stalls_it() -> None:
    low = replace(VGA.box, upper=(0.06, 0.06, 0.036))
    robot = DirectRobot(replace(VGA, box=low), looks=False)
    robot.reset(0, VGA.id)
    insert(robot)
    with pytest.raises(ResetStalled, match=r"did not get to the start in .*: \d\d mm"):
        bring_to_start(robot, robot.twin.task, seed=5)
    assert robot.gate.clamped > 10 and robot.measure().pose.position[2] < 0.15 + 0.04


def test_an_arm_outside_of_its_box_is_not_moved_and_the_cause_is_reported() -> None:
    low = replace(VGA.box, upper=(0.06, 0.06, 0.02))
    robot = DirectRobot(replace(VGA, box=low), looks=False)
    there = robot.reset(0, VGA.id).pose.position
    with pytest.raises(ResetStalled, match=r"gate holds it: the arm is 30 mm outside of the box"):
        bring_to_start(robot, robot.twin.task, seed=5)
    assert np.linalg.norm(robot.measure().pose.position - there) < 1e-3


def test_a_stop_for_a_wrench_stalls_it_until_somebody_releases_the_gate() -> None:
    tender = replace(VGA, wrench_limit=replace(VGA.wrench_limit, force=15.0))
    robot = Watched(tender)
    robot.reset(0, VGA.id)
    insert(robot)
    hold(robot.twin, 40.0)
    robot.gate.reset()  # what was felt when it was seized
    began = len(robot.asked)
    with pytest.raises(ResetStalled, match="gate stopped it: external wrench of"):
        bring_to_start(robot, tender, seed=5)
    assert len(robot.asked) - began < 5, "no second attempt against a stop"
    hold(robot.twin, 0.0)
    with pytest.raises(ResetStalled, match="gate stopped it"):
        bring_to_start(robot, tender, seed=5)
    robot.twin.step(robot.gate.hold_pose, VGA.period)  # a gate that stops says where to hold
    robot.gate.reset()
    assert has_arrived(bring_to_start(robot, tender, seed=5), approach(VGA, 5).end)


def test_an_emergency_stop_ends_it() -> None:
    robot = Watched(VGA)
    robot.reset(0, VGA.id)
    insert(robot)
    robot.gate.stop(Reason(ReasonCode.EMERGENCY_STOP, "emergency stop"))
    where = robot.measure().pose
    with pytest.raises(ResetStalled, match="gate stopped it: emergency stop"):
        bring_to_start(robot, VGA, seed=5)
    np.testing.assert_allclose(robot.measure().pose.position, where.position, atol=1e-3)


def test_the_environment_moves_the_arm_and_says_how_long_it_took() -> None:
    env = RobotEnv(Watched(VGA), VGA, moves=True)
    env.reset(seed=1)
    again, info = env.reset(seed=2)
    assert 0.5 < info["seconds"] < 4.0
    put, nothing = RobotEnv(DirectRobot(VGA, looks=False), VGA).reset(seed=2)
    assert nothing["seconds"] == 0.0
    # The same start but for the tolerance: where the goal is, in the TCP's frame.
    np.testing.assert_allclose(again["state"][19:22], put["state"][19:22], atol=20 * 2 * NEAR)


def test_the_time_of_resets_is_kept_over_starts(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert summarize_resets(run) == {}
    keep_resets(run, ResetCount().arrived(2.0).arrived(3.0).stuck())
    assert read_resets(run).mean_seconds == 2.5
    assert summarize_resets(run) == {"resets": {"count": 2, "mean_seconds": 2.5, "stalled": 1}}
