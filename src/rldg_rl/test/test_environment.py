# SPDX-License-Identifier: Apache-2.0
"""The environment's own arithmetic, on the twin without ROS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rldg_core.task import load_task
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import LIMIT, state_dim

TASK = load_task("connector/vga")


@pytest.fixture(scope="module")
def env() -> RobotEnv:
    return RobotEnv(DirectRobot(TASK), TASK)


def expert(env: RobotEnv) -> np.ndarray:
    """Towards the goal: first above it, then down."""
    offset, scale = env.latest.offset, TASK.action_scale
    direction = offset.position.copy()
    if np.linalg.norm(direction[:2]) > 0.0005:
        direction[2] -= 0.02
    else:
        direction[2] = min(direction[2], 0.004)
    action = np.concatenate([direction / scale.translation, offset.rotvec / scale.rotation, [1.0]])
    return np.clip(action, -1, 1)


def test_observations_lie_in_their_space(env: RobotEnv) -> None:
    view, _ = env.reset(seed=0)
    for _ in range(20):
        assert env.observation_space.contains(view)
        view, *_ = env.step(env.action_space.sample())
    assert view["state"].shape == (state_dim(env.task),) and np.abs(view["state"]).max() <= LIMIT


def test_a_target_is_the_measured_pose_moved_in_its_own_frame(env: RobotEnv) -> None:
    env.reset(seed=0)
    forward = env.target(np.array([0, 0, 1.0, 0, 0, 0, -1]))
    moved = forward.position - env.latest.pose.position
    assert np.allclose(moved, [0, 0, -TASK.action_scale.translation], atol=1e-4)
    turned = env.target(np.array([0, 0, 0, 0, 0, 1.0, -1]))
    rotation = (env.latest.pose.inverse() @ turned).rotvec
    assert np.allclose(rotation, [0, 0, TASK.action_scale.rotation], atol=1e-6)


def test_the_task_holds_the_gripper_closed(env: RobotEnv) -> None:
    env.reset(seed=0)
    *_, info = env.step(np.full(7, 5.0))
    assert np.array_equal(info["action"], [1, 1, 1, 1, 1, 1, -1])


def test_a_learned_gripper_is_opened_closed_or_left(monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(TASK, gripper="learned")
    robot = DirectRobot(task)
    asked: list[float] = []
    act = robot.act
    monkeypatch.setattr(
        robot, "act", lambda target, gripper, stamp: (asked.append(gripper), act(target, 0, stamp))
    )
    env = RobotEnv(robot, task)
    env.reset(seed=0)  # the plug is between the fingers: closed is what holds
    hesitation = [(-1, 0, False)] * 5  # within 0.6 s
    requests = [(-0.8, -1, False), (0.4, 0, False), (0.9, 1, True), *hesitation, (-0.2, 0, False)]
    for wanted, executed, changed in [*requests, (1, 1, False), (-1, -1, True), (1, 0, False)]:
        *_, info = env.step(np.append(np.zeros(6), wanted))
        assert (info["action"][6], info["gripper_changed"]) == (executed, changed)
        assert asked[-1] == executed
    env.reset(seed=0)
    *_, info = env.step(np.append(np.zeros(6), -1.0))
    assert not info["gripper_changed"], "what was asked for in the last episode is forgotten"


def test_success_terminates_with_reward_one(env: RobotEnv) -> None:
    env.reset(seed=1)
    rewards, terminated, truncated = [], False, False
    while not (terminated or truncated):
        _, reward, terminated, truncated, _ = env.step(expert(env))
        rewards.append(reward)
    assert terminated and not truncated
    assert rewards[-1] == 1.0 and sum(rewards) == 1.0


def test_the_horizon_truncates_and_does_not_terminate(env: RobotEnv) -> None:
    env.reset(seed=1)
    ends = [env.step(np.zeros(7))[2:4] for _ in range(TASK.horizon)]
    assert ends[-1] == (False, True)
    assert not any(terminated or truncated for terminated, truncated in ends[:-1])


def test_poses_are_relative_to_the_reset_pose(env: RobotEnv) -> None:
    view, _ = env.reset(seed=4)
    assert np.allclose(view["state"][:6], 0.0, atol=1e-6)


def test_step_before_reset_is_refused() -> None:
    with pytest.raises(AssertionError, match="call reset first"):
        RobotEnv(DirectRobot(TASK), TASK).step(np.zeros(7))
