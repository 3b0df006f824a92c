# SPDX-License-Identifier: Apache-2.0
"""The environment over the running twin and gate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from gymnasium.utils.env_checker import check_env
from harness import Processes
from rclpy.node import Node
from rclpy.parameter import Parameter

from rldg_core.task import load_task
from rldg_rl.acting.closed_loop import close_the_loop
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.robot.robot_client import RobotClient
from rldg_robot.ros import make_executor

TASK = load_task("connector/vga")


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    rclpy.init()
    node = Node("test", parameter_overrides=[Parameter("use_sim_time", value=True)])
    yield node
    node.destroy_node()
    rclpy.shutdown()


def environment(node: Node, patience: float = 20.0) -> RobotEnv:
    return RobotEnv(RobotClient(node, make_executor(node), TASK, patience=patience), TASK)


def connected(node: Node) -> RobotEnv:
    """An environment whose targets arrive: what is sent before everybody knows each other is lost, or held."""
    env = environment(node)
    close_the_loop(node, env.robot, TASK)
    return env


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_is_a_gymnasium_environment(processes: Processes, node: Node) -> None:
    processes.node("rldg_robot", "twin", task=TASK.id)
    processes.node("rldg_robot", "safety_gate", task=TASK.id, use_sim_time=True)
    env = connected(node)
    check_env(env, skip_render_check=True)

    first, _ = env.reset(seed=5)
    again, _ = env.reset(seed=5)
    other, _ = env.reset(seed=6)
    assert np.array_equal(first["image"], again["image"])
    assert not np.array_equal(first["state"], other["state"])


def test_the_same_actions_lead_to_the_same_states(processes: Processes, node: Node) -> None:
    processes.node("rldg_robot", "twin", task=TASK.id)
    processes.node("rldg_robot", "safety_gate", task=TASK.id, use_sim_time=True)
    env = connected(node)
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 7))

    def trajectory() -> np.ndarray:
        states = [env.reset(seed=3)[0]["state"]]
        return np.array(states + [env.step(action)[0]["state"] for action in actions])

    assert np.array_equal(trajectory(), trajectory())


def test_the_arm_stays_where_who_asks_moves_it(processes: Processes, node: Node) -> None:
    processes.node("rldg_robot", "twin", task=TASK.id)
    processes.node("rldg_robot", "safety_gate", task=TASK.id, use_sim_time=True)
    env = connected(node)
    env.reset(seed=5)
    env.step(np.full(7, 0.5))
    before = env.robot.measure()
    assert before.state_stamp == env.latest.state_stamp
    after = env.robot.reset(6, TASK.id, stay=True)
    assert after.state_stamp > before.state_stamp
    np.testing.assert_array_equal(after.pose.position, before.pose.position)
    with pytest.raises(RobotSilent, match=r"connector/xlr is another world .* the arm cannot stay"):
        env.robot.reset(6, "connector/xlr", stay=True)


def test_a_robot_that_does_not_answer_is_named(node: Node) -> None:
    with pytest.raises(RobotSilent, match="reset service"):
        environment(node, patience=0.5).reset(seed=0)
