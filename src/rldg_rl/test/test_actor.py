# SPDX-License-Identifier: Apache-2.0
"""Who acts, what is told of it, and how an episode ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rldg_core.task import Task, load_task
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.actor import Actor, EpisodeAborted, Policy
from rldg_rl.acting.demonstrator import Demonstrator
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import Belief, ControlStep
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation

TASK = load_task("connector/vga")
PUSH = np.array([0.0, 0.0, -0.5, 0.0, 0.0, 0.0, 0.0])
OFF = np.zeros(7)
BUTTON = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


class Stay(Policy):
    """A policy that does nothing."""

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        return Belief(np.zeros(6), np.zeros(6), np.zeros(6), version=3)


class Open(Policy):
    """A policy that stays where it is and opens the gripper."""

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        return Belief(np.append(np.zeros(6), 1.0), np.zeros(6), np.zeros(6), version=3)


class Hands:
    """Pushes according to a list, then keeps off."""

    def __init__(self, pushes: list[np.ndarray]) -> None:
        self.pushes = pushes

    def begin(self, task: Task, seed: int) -> None:
        self.left = list(self.pushes)

    def deflection(self, seen: Observation) -> np.ndarray:
        return self.left.pop(0) if self.left else OFF


class Diary:
    """Remembers all it is told; may break off an episode."""

    def __init__(self, abort_at: int | None = None) -> None:
        self.steps: list[ControlStep] = []
        self.opened_: list[EpisodeResult] = []
        self.closed_: list[EpisodeResult] = []
        self.abort_at = abort_at

    def opened(self, result: EpisodeResult) -> None:
        assert result.status is EpisodeStatus.OPEN
        self.opened_.append(result)

    def before_step(self) -> None:
        if len(self.steps) == self.abort_at:
            raise EpisodeAborted("the gate stopped")

    def after_step(self, step: ControlStep) -> None:
        self.steps.append(step)

    def closed(self, result: EpisodeResult) -> None:
        self.closed_.append(result)


@pytest.fixture(scope="module")
def env() -> RobotEnv:
    return RobotEnv(DirectRobot(TASK), TASK)


def test_an_intervention_is_decided_once_per_step_and_released_with_a_delay(env: RobotEnv) -> None:
    diary = Diary()
    actor = Actor(env, Hands([OFF, OFF, PUSH, PUSH]), diary)
    result = actor.run_episode("policy_00000", Source.POLICY, 0, Stay())
    by = [step.executed_by for step in diary.steps]
    assert by[:2] == [ExecutedBy.POLICY] * 2
    assert by[2:7] == [ExecutedBy.INTERVENTION] * 5, "two pushes and 0.3 s of release delay"
    assert set(by[7:]) == {ExecutedBy.POLICY}
    assert result.interventions == 5 and not result.autonomous_success
    # What the hand did is what was executed and recorded, in the TCP frame.
    assert diary.steps[2].action[2] == pytest.approx(0.5, abs=0.02)
    assert diary.steps[2].belief is not None and diary.steps[2].belief.version == 3


def test_a_policy_demonstrates_in_the_persons_place(env: RobotEnv) -> None:
    diary = Diary()
    actor = Actor(env, Hands([PUSH] * 50), diary)
    result = actor.run_episode("demonstration_00000", Source.DEMONSTRATION, 0, Demonstrator(Stay()))
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.DEMONSTRATION}
    assert not any(step.action[:6].any() for step in diary.steps), "a hand moved it"
    assert result.interventions == result.lead_in == 0


def test_a_button_is_an_intervention_where_the_gripper_is_learned() -> None:
    task = replace(TASK, gripper="learned")
    diary = Diary()
    actor = Actor(RobotEnv(DirectRobot(task), task), Hands([*[OFF] * 6, -BUTTON, OFF]), diary)
    actor.run_episode("policy_00000", Source.POLICY, 0, Open())
    by = [step.executed_by for step in diary.steps[:13]]
    assert by == [ExecutedBy.POLICY] * 6 + [ExecutedBy.INTERVENTION] * 4 + [ExecutedBy.POLICY] * 3
    grippers = [step.action[6] for step in diary.steps[:13]]
    # it opens; the next it hears is the button; whose hand is not on it leaves it alone; it opens again
    assert grippers == [1, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1]
    changed = [step.index for step in diary.steps[:13] if step.gripper_changed]
    assert changed == [0, 6, 12], "whoever asked last counts"


def test_a_button_does_nothing_where_the_task_holds_the_gripper(env: RobotEnv) -> None:
    diary = Diary()
    Actor(env, Hands([BUTTON, OFF]), diary).run_episode("policy_00000", Source.POLICY, 0, Stay())
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.POLICY}
    assert {step.action[6] for step in diary.steps} == {-1.0}
    assert not any(step.gripper_changed for step in diary.steps)


def test_a_person_leads_a_demonstration_throughout(env: RobotEnv) -> None:
    diary = Diary()
    Actor(env, Hands([PUSH]), diary).run_episode("demonstration_00000", Source.DEMONSTRATION, 0)
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.DEMONSTRATION}
    assert all(step.belief is None for step in diary.steps)


def test_no_person_intervenes_in_an_evaluation(env: RobotEnv) -> None:
    diary = Diary()
    result = Actor(env, Hands([PUSH] * 50), diary).run_episode(
        "evaluation_00000", Source.EVALUATION, 0, Stay()
    )
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.POLICY}
    assert result.status is EpisodeStatus.FAILURE and result.steps == TASK.horizon


def test_no_person_intervenes_where_none_is_to_help(env: RobotEnv) -> None:
    diary = Diary()
    actor = Actor(env, Hands([PUSH] * 50), diary, helped=False)
    actor.run_episode("policy_00000", Source.POLICY, 0, Stay())
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.POLICY}


def test_steps_are_adjacent_and_counted(env: RobotEnv) -> None:
    diary = Diary()
    result = Actor(env, Hands([]), diary).run_episode("policy_00001", Source.POLICY, 2, Stay())
    assert [step.index for step in diary.steps] == list(range(TASK.horizon))
    for this, following in zip(diary.steps, diary.steps[1:], strict=False):
        assert np.array_equal(this.next_state, following.state)
        assert this.after.state_stamp == following.seen.state_stamp
    assert diary.steps[-1].truncated and not diary.steps[-1].terminated
    assert result.seconds == pytest.approx(TASK.horizon * TASK.period)


def test_an_aborted_episode_is_closed_as_such(env: RobotEnv) -> None:
    diary = Diary(abort_at=3)
    with pytest.raises(EpisodeAborted):
        Actor(env, Hands([]), diary).run_episode("policy_00002", Source.POLICY, 0, Stay())
    assert [r.status for r in diary.closed_] == [EpisodeStatus.ABORTED]
    assert diary.closed_[0].reason == "the gate stopped" and diary.closed_[0].steps == 3
