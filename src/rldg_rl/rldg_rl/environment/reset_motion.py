# SPDX-License-Identifier: Apache-2.0
"""Resets as motions: the arm is brought to its start as a policy moves it, by targets that pass the safety gate.

Open the gripper where the task leaves it to the policy, withdraw along the axis of the task's frame to the height of
its starts, tell the driver which episode begins, go to the start drawn for it. Every leg has to end where it should, at
rest and in a time that follows from its length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rldg_core.gripper_command import LEAVE, MAX_GRIPPER_WIDTH, OPEN
from rldg_core.message_values import SECOND
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_rl.robot.observation import Observation
from rldg_rl.robot.robot import Robot
from rldg_robot.safety import into_box

ATTEMPTS = 2
"""an arm that is stuck may come free when it is lifted once more; after that a person looks"""
NEAR, NEAR_TURN = 0.005, 0.03
"""[m, rad] from where it should be, within which the arm has arrived; a start is drawn from ten times as much"""
SLOW, SLOW_TURN = 0.01, 0.05
"""[m/s, rad/s] below which it is at rest"""
LEAST_SECONDS, SLACK = 2.0, 3.0
"""[s] that every leg may take, and how many times as long as at full speed"""
GRIPPER_SECONDS = 3.0
OPENED = 0.9 * MAX_GRIPPER_WIDTH
"""[m] from which the gripper counts as open"""


class ResetStalled(RuntimeError):
    """The arm does not get to its start; the message says where it is stuck."""


@dataclass(frozen=True)
class Leg:
    """One straight motion."""

    name: str
    """for people"""
    end: Pose
    """of the TCP in base, within the task's box"""


def withdrawal(task: Task, pose: Pose) -> Leg:
    """Straight out of whatever the tool is in, turned as it is: up to the height of the task's starts."""
    frame = task.first_pose
    here = pose.relative_to(frame)
    # z of the task's frame points down, into the hole.
    up = np.array([*here.position[:2], min(here.position[2], -task.reset.height)])
    return Leg("up", into_box(frame @ Pose(up, here.quaternion), task))


def approach(task: Task, seed: int) -> Leg:
    """To the start that the twin draws with the same seed."""
    return Leg("to the start", task.draw_start(np.random.default_rng(seed)))


def at_speed(task: Task, pose: Pose, end: Pose) -> float:
    """Control steps from one pose to another, each as large as a full action along one axis."""
    left = end.relative_to(pose)
    scale = task.action_scale
    far = np.linalg.norm(left.position) / scale.translation
    turned = np.linalg.norm(left.rotvec) / scale.rotation
    return float(max(far, turned))


def next_target(task: Task, pose: Pose, end: Pose) -> Pose:
    """One control step on the straight way, from where the arm is: however far it lags behind, nothing winds up."""
    steps = at_speed(task, pose, end)
    if steps <= 1.0:
        return end
    left = end.relative_to(pose)
    return pose @ Pose.from_rotvec(left.position / steps, left.rotvec / steps)


def has_arrived(seen: Observation, end: Pose) -> bool:
    """Whether the arm is where it should be, and at rest."""
    left = end.relative_to(seen.pose)
    pairs = (
        (left.position, NEAR),
        (left.rotvec, NEAR_TURN),
        (seen.twist[:3], SLOW),
        (seen.twist[3:], SLOW_TURN),
    )
    return all(np.linalg.norm(value) <= limit for value, limit in pairs)


def time_limit(task: Task, pose: Pose, end: Pose) -> float:
    """[s] that a leg may take."""
    return LEAST_SECONDS + SLACK * at_speed(task, pose, end) * task.period


def bring_to_start(robot: Robot, task: Task, seed: int) -> Observation:
    """Move the arm from where it is to the start of an episode.

    Args:
        robot: with its arm anywhere in the task's box.
        task: that the next episode is of; of the last one, too.
        seed: of the start and of the twin's world.

    Returns:
        What is seen at the start.

    Raises:
        ResetStalled: it did not get there, lifted anew once; or the safety gate stopped it.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _go(robot, task, seed)
        except ResetStalled:
            if robot.stopped:
                raise
    return _go(robot, task, seed)


def _go(robot: Robot, task: Task, seed: int) -> Observation:
    seen = robot.measure()
    if task.learns_gripper:
        seen = _open_gripper(robot, seen)
    _travel(robot, task, withdrawal(task, seen.pose), seen)
    # Only now may the world change: the arm is out of the way.
    seen = robot.reset(seed, task.id, stay=True)
    return _travel(robot, task, approach(task, seed), seen)


def _travel(robot: Robot, task: Task, leg: Leg, seen: Observation) -> Observation:
    seconds = time_limit(task, seen.pose, leg.end)
    deadline = seen.state_stamp + int(SECOND * seconds)
    while not has_arrived(seen, leg.end):
        if seen.state_stamp > deadline:
            raise ResetStalled(_stuck(robot, leg, seen, seconds))
        seen = _step(robot, seen, next_target(task, seen.pose, leg.end), LEAVE)
    return seen


def _open_gripper(robot: Robot, seen: Observation) -> Observation:
    deadline = seen.state_stamp + int(SECOND * GRIPPER_SECONDS)
    where = seen.pose
    while seen.gripper_width < OPENED:
        if seen.state_stamp > deadline:
            raise ResetStalled(
                f"the gripper did not open in {GRIPPER_SECONDS:.0f} s: {1000 * seen.gripper_width:.0f} mm"
            )
        seen = _step(robot, seen, where, OPEN)
    return seen


def _step(robot: Robot, seen: Observation, target: Pose, gripper: float) -> Observation:
    if robot.stopped:
        raise ResetStalled(f"the safety gate stopped it: {robot.stopped}")
    robot.act(target, gripper, seen.state_stamp)
    return robot.observe(after=seen.state_stamp)


def _stuck(robot: Robot, leg: Leg, seen: Observation, seconds: float) -> str:
    left = leg.end.relative_to(seen.pose)
    pressed = f"something presses it with {np.linalg.norm(seen.wrench[:3]):.0f} N"
    why = f"the safety gate holds it: {robot.held}" if robot.held else pressed
    return (
        f"it did not get {leg.name} in {seconds:.1f} s: {1000 * np.linalg.norm(left.position):.0f} mm and "
        f"{np.linalg.norm(left.rotvec):.2f} rad are left, {why}"
    )
