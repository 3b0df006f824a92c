# SPDX-License-Identifier: Apache-2.0
"""A loop over the Gymnasium environment of a task: one episode, and its return.

    python examples/robot_env.py
    python examples/robot_env.py --task connector/usb_a --actions random

The robot is the MuJoCo twin behind the safety gate, in this process and without ROS: every action passes the same
limits as on the real arm. Random actions do not solve a task. The scripted ones do: the twin shows them the goal.
"""

from __future__ import annotations

import argparse

import numpy as np

from rldg_core.task import load_task
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.robot.direct_robot import DirectRobot


def scripted_action(env: RobotEnv) -> np.ndarray:
    """(7,) in [-1, 1] towards the goal of an insertion: first above it, then down."""
    offset = env.latest.offset  # pose of the goal in the TCP frame, which only a simulation knows
    translation = offset.position.copy()
    if np.linalg.norm(translation[:2]) > 0.0005:  # [m] not above the goal yet
        translation[2] -= 0.02
    else:
        translation[2] = min(translation[2], 0.004)  # gently, lest it jams
    scale = env.task.action_scale  # what an action of 1.0 stands for, in m and rad
    motion = np.concatenate([translation / scale.translation, offset.rotvec / scale.rotation])
    return np.clip(np.append(motion, -1.0), -1.0, 1.0).astype(np.float32)


def run_episode(env: RobotEnv, actions: str, seed: int) -> tuple[float, int]:
    """Return and length of one episode; the same seed gives the same start."""
    observation, _ = env.reset(seed=seed)
    env.action_space.seed(seed)
    print("observation:", {name: value.shape for name, value in observation.items()})
    total, steps, over = 0.0, 0, False
    while not over:
        action = scripted_action(env) if actions == "scripted" else env.action_space.sample()
        observation, reward, terminated, truncated, _ = env.step(action)
        total, steps, over = total + reward, steps + 1, terminated or truncated
    return total, steps


def main(arguments: list[str] | None = None) -> float:
    """Runs one episode and gives its return."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="connector/vga", help="family/variant")
    parser.add_argument("--actions", default="scripted", choices=("scripted", "random"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    task = load_task(options.task)
    robot = DirectRobot(task)
    try:
        total, steps = run_episode(RobotEnv(robot, task), options.actions, options.seed)
    finally:
        robot.close()
    print(
        f"{options.actions} actions: return {total:g} after {steps} of at most {task.horizon} steps"
    )
    return total


if __name__ == "__main__":
    main()
