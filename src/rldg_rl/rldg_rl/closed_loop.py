# SPDX-License-Identifier: Apache-2.0
"""Whether a wish reaches the arm and its state the recorder: asked before the first episode, not learned from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.node import Node

from rldg_rl.environment import RobotEnv
from rldg_rl.recorder_watch import RecorderWatch
from rldg_rl.robot_client import RobotClient, RobotSilent
from rldg_robot import contract
from rldg_robot.task import Task

START_SECONDS = 60.0  # of wall time, for gate and driver to come up
GATE_SECONDS = 2.0
ATTEMPTS = 5


def close_the_loop(
    node: Node,
    robot: RobotClient,
    task: Task,
    gate_passes: Callable[[], bool],
    recorder: RecorderWatch | None = None,
) -> None:
    """Stand still until the gate lets that pass and the recorder, where there is one, hears it.

    While nodes find each other the gate hears nothing of a camera or a wrench and holds the arm: a step that is lived
    then says of its action that it was executed, and it was not. A recorder that hears robot or gate later than the
    actor leaves the first states or targets out of the first bag.

    Raises:
        RobotSilent: gate or driver do not answer, or the recorder does not hear them.
    """
    for whom, topic in (
        ("the safety gate", contract.POLICY_TARGET_POSE),
        ("the driver", contract.TARGET_POSE),
    ):
        robot.wait_for(
            lambda topic=topic: node.count_subscribers(topic.name) > 0,  # type: ignore[misc]
            whom,
            START_SECONDS,
        )
    env = RobotEnv(robot, task)
    for attempt in range(ATTEMPTS):
        try:
            env.reset(seed=0)
            env.step(np.zeros(7))
            robot.wait_for(gate_passes, "the safety gate", GATE_SECONDS)
            if recorder is not None:
                robot.wait_for(recorder.hears_the_loop, "the recorder to hear it", GATE_SECONDS)
            return
        except RobotSilent:
            if attempt == ATTEMPTS - 1:
                raise
