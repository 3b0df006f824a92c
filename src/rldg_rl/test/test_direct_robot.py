# SPDX-License-Identifier: Apache-2.0
"""The robot without ROS keeps to the contract: stamps, gate, the same bits for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.robot.direct_robot import BLACK, DirectRobot

TASK = load_task("connector/vga")


def test_targets_pass_the_gate() -> None:
    robot = DirectRobot(TASK, looks=False)
    seen = robot.reset(3, TASK.id)
    far = Pose(seen.pose.position + [1.0, 0.0, 0.0], seen.pose.quaternion)
    robot.act(far, -1.0, seen.state_stamp)
    moved = robot.observe(after=seen.state_stamp).pose.position - seen.pose.position
    assert robot.gate.clamped == 1 and 0.005 < moved[0] < 2 * TASK.action_scale.translation


def test_a_target_that_is_no_pose_is_held() -> None:
    robot = DirectRobot(TASK, looks=False)
    seen = robot.reset(3, TASK.id)
    robot.act(Pose(np.full(3, np.nan), seen.pose.quaternion), -1.0, seen.state_stamp)
    after = robot.observe(after=seen.state_stamp)
    assert robot.gate.rejected == 1
    assert np.linalg.norm(after.pose.position - seen.pose.position) < 1e-3


def test_stamps_are_a_control_period_apart() -> None:
    robot = DirectRobot(TASK, looks=False)
    seen = robot.reset(3, TASK.id)
    robot.act(seen.pose, -1.0, seen.state_stamp)
    after = robot.observe(after=seen.state_stamp)
    assert (
        after.state_stamp - seen.state_stamp == 100_000_000 == after.image_stamp - seen.image_stamp
    )
    with pytest.raises(AssertionError, match="past"):
        robot.act(seen.pose, -1.0, seen.state_stamp)


def test_earlier_episodes_leave_no_trace() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 7))

    def trajectory(env: RobotEnv) -> np.ndarray:
        states = [env.reset(seed=3)[0]["state"]]
        return np.array(states + [env.step(action)[0]["state"] for action in actions])

    fresh = RobotEnv(DirectRobot(TASK, looks=False), TASK)
    used = RobotEnv(DirectRobot(TASK), TASK)
    used.reset(seed=8)
    used.step(np.ones(7))
    assert np.array_equal(trajectory(fresh), trajectory(used)), "and looking changes nothing"


def test_images_are_rendered_where_somebody_looks_and_their_looks_follow_the_seed() -> None:
    blind = DirectRobot(TASK, looks=False)
    assert blind.reset(0, TASK.id).image is BLACK
    seeing = DirectRobot(TASK, randomize=True)
    first, again, other = (seeing.reset(seed, TASK.id).image for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    plain = DirectRobot(TASK).reset(0, TASK.id).image
    assert plain.std() > 10 and not np.array_equal(plain, first)


def test_another_task_is_refused() -> None:
    with pytest.raises(AssertionError, match="this robot does connector/vga, not connector/xlr"):
        DirectRobot(TASK).reset(0, "connector/xlr")
