# SPDX-License-Identifier: Apache-2.0
"""Every way to fail, lived on the twin by a policy that fails so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rldg_core.gate_reason import PASSING, ReasonCode
from rldg_core.gripper_command import CLOSE, LEAVE, OPEN
from rldg_core.task import Task, WrenchLimit, load_task
from rldg_core.vocabulary import Source
from rldg_rl.acting.actor import Actor, HandsOff, Policy
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import Belief, ControlStep
from rldg_rl.evaluation.outcomes import (
    DROPPED,
    EARLY_DESCENT,
    GATE_STOP,
    PRESSING,
    STUCK_PRESSING,
    TIMED_OUT,
    Trace,
)
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation

TASK = load_task("connector/vga")


class Steered(Policy):
    """Moves as a function of the goal in the TCP frame [m] and the step says, in full actions."""

    def __init__(self, motion: Callable[[np.ndarray, int], list[float]]) -> None:
        self._motion = motion
        self._step = 0

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        motion = np.clip(self._motion(seen.offset.position, self._step), -1.0, 1.0)
        self._step += 1
        action = np.array([*motion, 0.0, 0.0, 0.0, CLOSE], np.float32)
        return Belief(action, np.zeros(0), np.zeros(0), 0)


class Grasping(Policy):
    """Grasps, lifts, and then lets go or does not."""

    def __init__(self, then: float) -> None:
        self._then = then
        self._grasped: int | None = None
        self._step = 0

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        self._step += 1
        goal, gripper = seen.offset.position / 0.02, LEAVE
        motion = np.array([*goal[:2], goal[2] * (np.linalg.norm(goal[:2]) < 0.2)])
        if self._grasped is not None:
            since = self._step - self._grasped
            motion = np.array([0.0, 0.0, -0.5 * (10 < since < 23)])
            gripper = self._then if since == 20 else LEAVE
        elif np.linalg.norm(goal) < 0.2:
            self._grasped, gripper = self._step, CLOSE
        turn = seen.offset.rotvec / 0.1
        action = np.clip([*motion, *turn, gripper], -1.0, 1.0).astype(np.float32)
        return Belief(action, np.zeros(0), np.zeros(0), 0)


class Judge:
    """Keeps the trace of the last episode."""

    def opened(self, result: EpisodeResult) -> None:
        self.trace = Trace()
        self.steps: list[ControlStep] = []

    def before_step(self) -> None:
        pass

    def after_step(self, step: ControlStep) -> None:
        self.trace.add(step)
        self.steps.append(step)

    def closed(self, result: EpisodeResult) -> None:
        self.result = result


def live(policy: Policy, task: Task = TASK, seed: int = 1) -> tuple[str | None, Judge, DirectRobot]:
    robot, judge = DirectRobot(task, looks=False), Judge()
    actor = Actor(RobotEnv(robot, task), HandsOff(), judge)
    result = actor.run_episode("evaluation_00000", Source.EVALUATION, seed, policy)
    return judge.trace.failure(result), judge, robot


def straight_down(goal: np.ndarray, step: int) -> list[float]:
    return [0.0, 0.0, 1.0]


def onto_the_rim(goal: np.ndarray, step: int) -> list[float]:
    """First above the hole but 1.7 mm beside it, then down."""
    sideways = (goal[:2] + [0.0, 0.0017]) / 0.015
    return [*sideways, 0.4 if step > 15 else 0.0]


def into_the_hole(goal: np.ndarray, step: int) -> list[float]:
    return [*(goal[:2] / 0.015), 0.3 if step > 15 else 0.0]


def test_a_solved_task_is_no_failure() -> None:
    failure, judge, _ = live(Steered(into_the_hole))
    assert judge.steps[-1].terminated and failure is None
    forces = [np.linalg.norm(step.after.wrench[:3]) for step in judge.steps]
    assert judge.trace.peak_force == pytest.approx(max(forces)) and judge.trace.peak_torque > 0.0


def test_who_never_sets_out_runs_out_of_time() -> None:
    failure, judge, _ = live(Steered(lambda goal, step: [0.0, 0.0, 0.0]))
    assert failure == TIMED_OUT and judge.trace.peak_force < 1.0


def test_coming_down_beside_the_socket_is_an_early_descent() -> None:
    failure, judge, _ = live(Steered(straight_down))
    assert failure == EARLY_DESCENT and judge.trace.peak_force > PRESSING


def test_a_late_descent_beside_the_socket_is_none() -> None:
    failure, _, _ = live(Steered(lambda goal, step: [0.0, 0.0, float(step > 60)]))
    assert failure == STUCK_PRESSING


def test_pressing_on_the_rim_without_getting_on_is_being_stuck() -> None:
    failure, judge, _ = live(Steered(onto_the_rim))
    beside = np.linalg.norm(judge.steps[-1].after.offset.position[:2])
    assert failure == STUCK_PRESSING and beside < 0.002


def test_pressing_and_searching_is_not_being_stuck() -> None:
    def search(goal: np.ndarray, step: int) -> list[float]:
        return [0.8 * np.sin(step / 3), 0.8 * np.cos(step / 3), float(step > 60)]

    failure, judge, _ = live(Steered(search))
    assert failure == TIMED_OUT and judge.trace.peak_force > PRESSING


def test_a_stop_of_the_gate_ends_the_episode_and_the_next_reset_releases_it() -> None:
    weak = replace(TASK, wrench_limit=WrenchLimit(force=6.0, torque=5.0))
    failure, judge, robot = live(Steered(straight_down), weak)
    assert failure == GATE_STOP
    last = judge.steps[-1]
    assert last.truncated and not last.terminated and len(judge.steps) < TASK.horizon
    assert np.linalg.norm(last.after.wrench[:3]) > 6.0 and "wrench" in robot.gate.reason.text
    assert robot.stopped and robot.stopped.code is ReasonCode.WRENCH
    seen = robot.reset(2, weak.id)
    robot.act(seen.pose, -1.0, seen.state_stamp)
    assert robot.gate.reason == PASSING


def test_a_stop_of_the_gate_in_the_step_that_solves_the_task_is_reported_and_no_failure() -> None:
    _, judge, _ = live(Steered(into_the_hole))
    *before, last = [np.linalg.norm(step.after.wrench[:3]) for step in judge.steps]
    assert last > max(before), "this policy presses most in the end"
    weak = replace(TASK, wrench_limit=WrenchLimit(force=(last + max(before)) / 2, torque=5.0))
    failure, judge, robot = live(Steered(into_the_hole), weak)
    assert judge.steps[-1].terminated and failure is None
    assert judge.result.stopped and "wrench" in str(robot.stopped)
    assert robot.stopped and robot.stopped.code is ReasonCode.WRENCH


def test_too_much_force_before_the_first_step_is_a_stop_of_the_gate() -> None:
    failure, judge, robot = live(
        Steered(straight_down), replace(TASK, wrench_limit=WrenchLimit(force=0.0, torque=0.0))
    )
    assert robot.stopped and robot.stopped.code is ReasonCode.WRENCH
    assert "wrench" in robot.stopped.text
    assert failure == GATE_STOP and judge.steps == []


@pytest.mark.parametrize(("then", "failure"), [(OPEN, DROPPED), (LEAVE, TIMED_OUT)])
def test_what_was_held_and_let_go_in_the_air_is_dropped(then: float, failure: str) -> None:
    pepper = load_task("pick_place/pepper")
    found, judge, _ = live(Grasping(then), pepper, seed=3)
    assert max(step.after.progress for step in judge.steps) > 0.0, "it had it in its hand"
    assert found == failure


def test_without_a_step_nothing_was_measured() -> None:
    trace, result = Trace(), EpisodeResult("evaluation_00000", TASK, Source.EVALUATION, 0)
    assert (trace.peak_force, trace.peak_torque) == (0.0, 0.0)
    assert trace.failure(result) == TIMED_OUT
