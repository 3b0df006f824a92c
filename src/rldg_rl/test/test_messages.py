# SPDX-License-Identifier: Apache-2.0
"""Steps on their way to the learner, and the one vector that buffer, bag and policy share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from test_actor import Diary, Hands, Stay

from rldg_core.task import load_task
from rldg_core.vocabulary import Source
from rldg_msgs.msg import Step, Transition
from rldg_rl.acting.actor import Actor
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.learner import Learner
from rldg_rl.agent_config import AgentConfig
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import received_step, step_message, transition_message
from rldg_rl.learner_config import LearnerConfig, updates_due
from rldg_rl.robot.direct_robot import DirectRobot

TASK = load_task("connector/vga")


@pytest.fixture(scope="module")
def diary() -> Diary:
    """An episode of a policy that does nothing, helped at steps 2 to 6."""
    diary = Diary()
    push = np.array([0.0, 0.0, -0.5, 0.0, 0.0, 0.0, 0.0])
    env = RobotEnv(DirectRobot(TASK), TASK)
    Actor(env, Hands([push * 0] * 2 + [push] * 2), diary).run_episode(
        "policy_00000", Source.POLICY, 0, Stay()
    )
    return diary


def test_a_step_arrives_at_the_learner_bit_for_bit(diary: Diary) -> None:
    for step in (diary.steps[0], diary.steps[-1]):
        wire = serialize_message(transition_message(step, Transition()))
        stored = received_step(deserialize_message(wire, Transition))
        assert np.array_equal(stored.observation, step.state)
        assert np.array_equal(stored.action, step.action)
        assert (stored.episode_id, stored.index) == (step.episode_id, step.index)
        if step.truncated:
            assert np.array_equal(stored.next_observation, step.next_state)
        else:
            assert stored.next_observation is None, "every frame travels once"


def test_a_step_says_whether_it_changed_the_gripper(diary: Diary) -> None:
    step = replace(diary.steps[0], gripper_changed=True)
    wire = serialize_message(transition_message(step, Transition()))
    assert received_step(deserialize_message(wire, Transition)).gripper_changed
    assert not received_step(transition_message(diary.steps[0], Transition())).gripper_changed


def test_a_recorded_step_names_what_the_policy_saw_and_believed(diary: Diary) -> None:
    message = step_message(diary.steps[3], Step())
    seen = diary.steps[3].seen
    assert message.state_stamp.sec * 10**9 + message.state_stamp.nanosec == seen.state_stamp
    assert message.executed_by == 1 and message.policy_version == 3
    assert len(message.policy_mean) == len(message.policy_log_std) == 6


def test_the_learner_owes_updates_for_policy_steps_only(diary: Diary) -> None:
    config = LearnerConfig(starts=10)
    dim = len(diary.steps[0].state)
    agent = Agent(AgentConfig(hidden=(16,), batch_size=8), dim, 7, seed=0)
    learner = Learner(agent, ReplayBuffer(500, dim, 7), config)
    steps = [received_step(transition_message(step, Transition())) for step in diary.steps]
    for step in steps[:9]:
        learner.take_in(step)
    assert learner.owed == 0, "learning has not started"
    for step in steps:
        learner.take_in(step)  # the first nine come again, as after a restart
    assert learner.policy_steps == len(steps)
    assert learner.owed == 2 * len(steps) == updates_due(len(steps), config, agent.config)
    learner.update()
    assert learner.updates == 2 and learner.owed == 2 * len(steps) - 2
    assert {"critic_loss", "actor_loss", "entropy", "temperature"} <= set(learner.metrics)
    assert learner.buffer.demo_size == 5, "the five steps that a person executed"
