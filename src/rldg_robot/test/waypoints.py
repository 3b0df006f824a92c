# SPDX-License-Identifier: Apache-2.0
"""A controller that goes from waypoint to waypoint, as a person would who sees the offset and the goal's gripper."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rldg_core.poses import Pose
from rldg_robot.person.eye import Sight
from rldg_robot.person.route import next_leg
from rldg_robot.simulation.twin import MAX_WIDTH, Twin

SPEED, FORCE = 0.1, 30.0


def steer(twin: Twin) -> Pose:
    """The target of one control step: aside first, down only over the goal; never more than a full action."""
    scale = twin.task.action_scale
    sight = Sight(0, twin.pose, twin.offset, twin.goal_gripper)
    offset = (next_leg(sight) if twin.task.grasp else sight).offset
    move, turn = offset.position, offset.rotvec
    aside = float(np.hypot(*move[:2]))
    if aside > 0.003 or np.abs(turn).max() > 0.03:
        move[2] = min(move[2], move[2] - 0.03)
    action = np.concatenate([move / scale.translation, turn / scale.rotation])
    action = np.clip(action, -1.0, 1.0)
    step = Pose.from_rotvec(action[:3] * scale.translation, action[3:] * scale.rotation)
    return twin.pose @ step


def press(twin: Twin, asked: float) -> float:
    """Close or open where that should be done, once per change; returns what the fingers were asked for last."""
    target, away = twin.goal_gripper, twin.offset.position
    there = np.hypot(*away[:2]) < 0.006 and abs(away[2]) < 0.006
    if target not in (0.0, asked) and there:
        twin.command_gripper(MAX_WIDTH if target > 0 else 0.0, SPEED, FORCE)
        return target
    return asked


def live(twin: Twin, seed: int) -> Iterator[int]:
    """One episode, step by step, until it is solved or the time is over."""
    twin.reset(seed)
    asked = 0.0
    for step in range(twin.task.horizon):
        asked = press(twin, asked)
        twin.step(steer(twin), twin.task.period)
        yield step
        if twin.success:
            return
