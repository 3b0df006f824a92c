# SPDX-License-Identifier: Apache-2.0
"""A specialist's checkpoint says what its numbers mean, and whoever loads it compares them with its task's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rldg_core.space import Space, Spaces
from rldg_core.task import Task, load_task
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    describe_weights,
    load_learner,
    policy_to_bytes,
    save_learner,
)
from rldg_rl.agent_config import AgentConfig
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.robot.observation import SCALES, state_dim
from rldg_rl.robot.specialist_spaces import specialist_spaces

VGA = load_task("connector/vga")
PEPPER = load_task("pick_place/pepper")


@pytest.fixture(scope="module")
def agent() -> Agent:
    return Agent(AgentConfig(hidden=(8, 8)), state_dim(VGA), VGA.action_dim, 0)


def renamed(spaces: Spaces) -> Spaces:
    """The same numbers, the force along z under another name."""
    names = tuple(name.replace("force_z", "load") for name in spaces.state.names)
    return Spaces(spaces.action, Space(names, spaces.state.unit))


@pytest.mark.parametrize("task", [VGA, PEPPER])
def test_every_number_has_a_name_and_its_unit(task: Task) -> None:
    spaces = specialist_spaces(task)
    assert (len(spaces.state), len(spaces.action)) == (state_dim(task), task.action_dim)
    assert spaces.action.switches == task.learns_gripper
    unit = dict(zip(spaces.state.names, spaces.state.unit, strict=True))
    assert unit["force_z [N]"] == 20.0 and unit["gripper_width [m]"] == 0.08
    np.testing.assert_allclose(spaces.state.unit[: len(SCALES)], 1.0 / SCALES)
    assert len(specialist_spaces(task, seen=40).state) == 40


def test_weights_carry_them_and_the_same_ones_are_taken(agent: Agent, tmp_path: Path) -> None:
    spaces = specialist_spaces(VGA)
    data = policy_to_bytes(agent.policy, VGA.id, 3, spaces=spaces)
    assert describe_weights(data).spaces == spaces
    policy = LivePolicy(VGA)
    policy.load(data)
    policy.save(tmp_path / "policy.safetensors")
    assert describe_weights((tmp_path / "policy.safetensors").read_bytes()).spaces == spaces
    save_learner(tmp_path / "learner.safetensors", agent, VGA.id, 0, spaces)
    info = load_learner(tmp_path / "learner.safetensors", agent, VGA.id, spaces)
    assert info.spaces == spaces


def test_files_of_version_0_1_0_do_not_say_it_and_are_taken(agent: Agent, tmp_path: Path) -> None:
    data = policy_to_bytes(agent.policy, VGA.id, 3)
    assert describe_weights(data).spaces is None
    LivePolicy(VGA).load(data)
    save_learner(tmp_path / "learner.safetensors", agent, VGA.id)
    load_learner(tmp_path / "learner.safetensors", agent, VGA.id, specialist_spaces(VGA))


def test_of_another_space_they_are_refused_by_the_number_that_differs(
    agent: Agent, tmp_path: Path
) -> None:
    spaces = specialist_spaces(VGA)
    other = renamed(spaces)
    said = r"state: number 14 is 'load \[N\]', and here 'force_z \[N\]'"
    with pytest.raises(CheckpointError, match=said):
        LivePolicy(VGA).load(policy_to_bytes(agent.policy, VGA.id, 3, spaces=other))
    save_learner(tmp_path / "learner.safetensors", agent, VGA.id, 0, other)
    with pytest.raises(CheckpointError, match=said):
        load_learner(tmp_path / "learner.safetensors", agent, VGA.id, spaces)
