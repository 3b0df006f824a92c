# SPDX-License-Identifier: Apache-2.0
"""The learner begins with what other runs lived, and counts none of it."""

from __future__ import annotations

import numpy as np

from rldg_core.vocabulary import ExecutedBy, Source
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.learner import Learner
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import StoredStep
from rldg_rl.learner_config import LearnerConfig


def step(episode: str, index: int, executed_by: int, source: str = "") -> StoredStep:
    rng = np.random.default_rng(index)
    seen, action = rng.random(4), rng.uniform(-1, 1, 2)
    return StoredStep(episode, index, seen, action, executed_by, 0.0, source=source)


def test_prior_episodes_are_learned_from_and_count_for_nothing() -> None:
    agent = Agent(AgentConfig(hidden=(8,), batch_size=4), 4, 2, seed=0)
    learner = Learner(agent, ReplayBuffer(200, 4, 2), LearnerConfig(starts=10, prior_updates=6))
    for index in range(20):
        learner.take_in(step("first/policy_00000", index, ExecutedBy.DEMONSTRATION))
    assert (learner.policy_steps, learner.buffer.online_size, learner.owed) == (0, 0, 0)
    before, updates = agent.policy_state(), []
    learner.learn_from_prior(updates.append)
    assert updates == [2, 4, 6] and learner.updates == 0
    after = agent.policy_state()
    assert all((before[name] != after[name]).any() for name in before if name.endswith("weight"))
    for index in range(10):
        learner.take_in(step("policy_00000", index, ExecutedBy.POLICY, Source.POLICY))
    assert learner.owed == 20, "as many as without"


def test_the_source_says_what_is_a_training_step_and_not_the_name() -> None:
    agent = Agent(AgentConfig(hidden=(8,), batch_size=4), 4, 2, seed=0)
    learner = Learner(agent, ReplayBuffer(200, 4, 2), LearnerConfig(starts=10))
    for source in (Source.DEMONSTRATION, Source.REPLAY, ""):
        learner.take_in(step(f"policy_{source}", 0, ExecutedBy.POLICY, source))
    assert learner.policy_steps == 0
    learner.take_in(step("anything", 0, ExecutedBy.INTERVENTION, Source.POLICY))
    assert learner.policy_steps == 1
