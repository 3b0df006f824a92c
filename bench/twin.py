# SPDX-License-Identifier: Apache-2.0
"""How fast the twin is: physics, wrist images, the whole ROS loop, each beside a reference.

    source .rldg/env.sh && python bench/twin.py [--task connector/vga] [--seconds 3]

All references are measured in the same run, for absolute figures move with the machine and the
hour.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# First, for the package chooses the off-screen renderer before mujoco is imported.
from rldg_robot.simulation.twin import MAX_WIDTH, Twin  # isort: skip

import mujoco
import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node
from rclpy.parameter import Parameter

from rldg_core.poses import Pose
from rldg_core.task import Task, load_task
from rldg_rl.acting.closed_loop import close_the_loop
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.robot.robot_client import RobotClient
from rldg_robot.ros import make_executor
from rldg_robot.simulation import scene
from rldg_robot.simulation.film import Film


def rate(action: Callable[[], object], seconds: float) -> float:
    """Calls per second of wall time, after one call to warm up."""
    action()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        action()
        calls += 1
    return calls / (time.perf_counter() - start)


def free_motion(task: Task, seconds: float) -> float:
    """Control steps/s above the board."""
    twin = Twin(task)
    target = twin.pose
    return rate(lambda: twin.step(target, task.period), seconds)


def pressed_beside_the_hole(task: Task, seconds: float) -> float:
    """Control steps/s with the plug pressed onto the board."""
    twin = Twin(task)
    target = twin.goal @ Pose.from_rotvec([0.004, 0.004, 0.02], [0, 0, 0])
    for _ in range(20):
        twin.step(target, task.period)
    assert twin.data.ncon > 0, "the plug does not touch the board"
    return rate(lambda: twin.step(target, task.period), seconds)


def pulled_in_the_hole(task: Task, seconds: float) -> float:
    """Control steps/s with the inserted plug pulled sideways."""
    twin = Twin(task)
    for height in np.arange(0.03, -0.001, -0.003):
        for _ in range(2):
            twin.step(twin.goal @ Pose.from_rotvec([0, 0, -height], [0, 0, 0]), task.period)
    assert twin.success, "the plug did not go in"
    target = twin.goal @ Pose.from_rotvec([0.01, 0.01, 0.01], [0, 0, 0.05])
    return rate(lambda: twin.step(target, task.period), seconds)


def whole_episodes(task: Task, seconds: float) -> float:
    """Control steps/s straight from waypoint to waypoint, with whatever is touched, grasped and pushed on the way."""
    twin = Twin(task)
    steps, seed = 0, 0

    def step() -> None:
        nonlocal steps, seed
        steps += 1
        if twin.success or steps > task.horizon:
            steps, seed = 0, seed + 1
            twin.reset(seed)
        target = twin.goal_gripper
        if target and np.linalg.norm(twin.offset.position) < 0.006:
            twin.command_gripper(MAX_WIDTH if target > 0 else 0.0, 0.1, 30.0)
        twin.step(twin.goal, task.period)

    return rate(step, seconds)


def impedance_in_python(task: Task, seconds: float) -> float:
    """Control steps/s with the same law written in Python inside the 2 ms loop, above the board."""
    twin = Twin(task)
    m, d, c = twin.model, twin.data, task.compliance
    m.actuator_biasprm[:12] = 0.0
    target = twin.pose
    stiffness = np.repeat([c.translational_stiffness, c.rotational_stiffness], 3)
    damping = np.repeat([c.translational_damping, c.rotational_damping], 3)
    lower = np.array([*c.translational_clip.lower, *c.rotational_clip.lower])
    upper = np.array([*c.translational_clip.upper, *c.rotational_clip.upper])
    jacobian, site = np.empty((6, m.nv)), m.site("tcp").id

    def step() -> None:
        for _ in range(round(task.period / scene.TIMESTEP)):
            mujoco.mj_step1(m, d)
            mujoco.mj_jacSite(m, d, jacobian[:3], jacobian[3:], site)
            axes, measured = target.matrix, twin.pose.relative_to(target)
            local = -np.concatenate([measured.position, measured.rotvec])
            velocity = (jacobian @ d.qvel).reshape(2, 3) @ axes
            force = stiffness * np.clip(local, lower, upper) - damping * velocity.ravel()
            d.qfrc_applied[:] = jacobian.T @ (force.reshape(2, 3) @ axes.T).ravel()
            mujoco.mj_step2(m, d)

    return rate(step, seconds)


def wrist_images(task: Task, seconds: float, size: int) -> float:
    """Frames/s of the wrist camera."""
    twin = Twin(task, image_size=size)
    return rate(twin.image, seconds)


def images_with_arm_and_shadows(task: Task, seconds: float, size: int) -> float:
    """Frames/s of the same view with what a camera model usually comes with."""
    twin = Twin(task)
    joints, objects = twin.joint_positions, twin.objects
    film = Film(task, size, smooth=True)
    return rate(lambda: film.frame(joints, objects, "wrist"), seconds)


def ros_loop(task: Task, seconds: float) -> float:
    """Factor over real time through the whole ROS loop: twin and gate as processes, random actions from this one."""
    os.environ |= {"ROS_DOMAIN_ID": "99", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    nodes = [start_node("twin", task, False), start_node("safety_gate", task, True)]
    rclpy.init()
    try:
        node = Node("bench", parameter_overrides=[Parameter("use_sim_time", value=True)])
        client = RobotClient(node, make_executor(node), task, patience=20.0)
        env = RobotEnv(client, task)
        close_the_loop(node, client, task)  # a gate looks for others before it hears anything
        env.reset(seed=0)
        env.action_space.seed(0)

        def step() -> None:
            *_, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()

        return rate(step, seconds) * task.period
    finally:
        rclpy.shutdown()
        for process in nodes:
            process.terminate()


def start_node(name: str, task: Task, use_sim_time: bool) -> subprocess.Popen[bytes]:
    """Start a node of rldg_robot."""
    executable = Path(get_package_prefix("rldg_robot"), "lib", "rldg_robot", name)
    parameters = ["-p", f"task:={task.id}", "-p", f"use_sim_time:={str(use_sim_time).lower()}"]
    return subprocess.Popen([executable, "--ros-args", "--log-level", "error", *parameters])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="connector/vga")
    parser.add_argument("--seconds", type=float, default=3.0, help="per figure")
    arguments = parser.parse_args()
    task, seconds = load_task(arguments.task), arguments.seconds
    reference = impedance_in_python(task, seconds)
    print(f"{task.id}, one control step is {task.period:g} s\n")
    print(f"impedance in Python (reference)  {reference:8.0f} control steps/s   1.0x")
    figures = [("native, in the air", free_motion), ("native, whole episodes", whole_episodes)]
    if "connector" in task.scene:
        figures += [
            ("native, pressed on the board", pressed_beside_the_hole),
            ("native, pulled in the socket", pulled_in_the_hole),
        ]
    for label, measure in figures:
        value = measure(task, seconds)
        print(f"{label:32s} {value:8.0f} control steps/s {value / reference:5.1f}x")
    reference = images_with_arm_and_shadows(task, seconds, 128)
    print(f"\n128x128, arm, shadows, 4 samples {reference:8.1f} frames/s   1.0x")
    for size in (64, 128, 256):
        value = wrist_images(task, seconds, size)
        print(
            f"{f'{size}x{size}, wrist camera':32s} {value:8.0f} frames/s {value / reference:5.0f}x"
        )
    print(f"\nwhole ROS loop                   {ros_loop(task, seconds):8.1f} times real time")


if __name__ == "__main__":
    main()
