# SPDX-License-Identifier: Apache-2.0
"""A person leads in, a specialist goes on from the task's hand-over: who acts, and what counts for whom."""

from __future__ import annotations

import numpy as np
import pytest
from test_actor import OFF, PUSH, Diary, Hands

from rldg_core.task import Task, load_task
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.actor import Actor, Policy
from rldg_rl.acting.played_hands import PlayedHands
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import Belief
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation

TASK = load_task("fmb_assembly/rectangle")
SCALE = TASK.action_scale


class Inserts(Policy):
    """Goes where the offset says, aside first."""

    led_in = True

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        move = seen.offset.position / SCALE.translation
        if np.hypot(*seen.offset.position[:2]) > 0.001:
            move[2] = 0.0
        action = np.concatenate([move, seen.offset.rotvec / SCALE.rotation, [0.0]])
        return Belief(np.clip(action, -1.0, 1.0), np.zeros(6), np.zeros(6), version=1)


class GoesAway(Inserts):
    """Carries it away from the hole."""

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        away = np.array([0.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
        return Belief(away, np.zeros(6), np.zeros(6), version=1)


class Stays(Inserts):
    """Keeps it where it was taken over."""

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        return Belief(np.zeros(7), np.zeros(6), np.zeros(6), version=1)


class Student(GoesAway):
    """Does the whole task by itself."""

    led_in = False


class Demonstrator(PlayedHands):
    """Leads on beyond the hand-over."""

    def begin(self, task: Task, seed: int) -> None:
        super().begin(task, seed)
        self._operator.begin(Source.DEMONSTRATION)


class PushesOn(PlayedHands):
    """Does not let go at the hand-over, but three steps later; and pushes once more."""

    def begin(self, task: Task, seed: int) -> None:
        super().begin(task, seed)
        self.led = False
        self.pushes = [PUSH, PUSH, PUSH, OFF, OFF, PUSH]

    def deflection(self, seen: Observation) -> np.ndarray:
        self.led = self.led or seen.progress >= TASK.handover
        if not self.led:
            return super().deflection(seen)
        return self.pushes.pop(0) if self.pushes else OFF


@pytest.fixture(scope="module")
def env() -> RobotEnv:
    return RobotEnv(DirectRobot(TASK, looks=False), TASK)


def live(
    env: RobotEnv, policy: Policy | None, source: str = Source.EVALUATION, seed: int = 0
) -> tuple[Diary, EpisodeResult]:
    diary = Diary()
    result = Actor(env, PlayedHands(), diary).run_episode(f"{source}_0", source, seed, policy)
    return diary, result


def test_a_person_grasps_and_carries_and_the_specialist_inserts(env: RobotEnv) -> None:
    diary, result = live(env, Inserts())
    reached = [step.seen.progress >= TASK.handover for step in diary.steps]
    first = reached.index(True)
    by = [step.executed_by for step in diary.steps]
    assert by == [ExecutedBy.DEMONSTRATION] * first + [ExecutedBy.POLICY] * (len(by) - first)
    assert [step.handed_over for step in diary.steps] == [i >= first for i in range(len(by))]
    assert [step.belief is None for step in diary.steps] == [i < first for i in range(len(by))]
    assert first > 50 and (result.lead_in, result.interventions) == (first, 0)
    assert result.status is EpisodeStatus.SUCCESS and result.autonomous_success


def test_a_lead_in_follows_the_episodes_seed_alone(env: RobotEnv) -> None:
    hands = PlayedHands()
    first, again, other = Diary(), Diary(), Diary()
    for diary, seed in ((first, 3), (other, 4), (again, 3)):
        Actor(env, hands, diary).run_episode("evaluation_0", Source.EVALUATION, seed, Inserts())
    actions = [np.array([step.action for step in diary.steps]) for diary in (first, again)]
    np.testing.assert_array_equal(*actions)
    assert not np.array_equal(first.steps[40].action, other.steps[40].action)


def test_who_took_over_keeps_the_lead_when_progress_is_lost(env: RobotEnv) -> None:
    diary, result = live(env, GoesAway())
    own = diary.steps[result.lead_in :]
    assert own[-1].seen.progress < TASK.handover and result.status is EpisodeStatus.FAILURE
    assert {step.executed_by for step in own} == {ExecutedBy.POLICY}
    assert all(step.handed_over for step in own)


@pytest.mark.parametrize("source", [Source.POLICY, Source.EVALUATION])
def test_no_person_leads_a_student_in(env: RobotEnv, source: str) -> None:
    diary = Diary()
    actor = Actor(env, PlayedHands(), diary, helped=False)
    result = actor.run_episode(f"{source}_0", source, 0, Student())
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.POLICY}
    assert result.lead_in == 0


def test_a_person_who_never_gets_there_makes_a_failure(env: RobotEnv) -> None:
    diary = Diary()
    result = Actor(env, Hands([]), diary).run_episode(
        "evaluation_0", Source.EVALUATION, 0, Inserts()
    )
    assert result.status is EpisodeStatus.FAILURE and result.lead_in == result.steps == TASK.horizon
    assert result.reason == "the time ran out before the hand-over"
    assert not any(step.handed_over for step in diary.steps)


def test_a_demonstration_is_led_to_its_end_and_says_where_the_hand_over_is(env: RobotEnv) -> None:
    diary = Diary()
    Actor(env, Demonstrator(), diary).run_episode("demonstration_0", Source.DEMONSTRATION, 0)
    assert {step.executed_by for step in diary.steps} == {ExecutedBy.DEMONSTRATION}
    assert diary.steps[-1].terminated
    before = {step.seen.progress for step in diary.steps if not step.handed_over}
    assert before == {0.0, 0.25}


def test_the_hand_that_led_in_is_no_intervention_until_it_was_off(env: RobotEnv) -> None:
    diary = Diary()
    result = Actor(env, PushesOn(), diary).run_episode("policy_0", Source.POLICY, 0, Stays())
    by = [step.executed_by for step in diary.steps[result.lead_in :]]
    assert by[:5] == [ExecutedBy.POLICY] * 5
    assert by[5:9] == [ExecutedBy.INTERVENTION] * 4, "with the release delay"
    assert set(by[9:]) == {ExecutedBy.POLICY} and result.interventions == 4
