# SPDX-License-Identifier: Apache-2.0
"""Whether a target reaches the arm and its state the recorder: asked before the first episode, not learned from it."""

from __future__ import annotations

from rclpy.node import Node

from rldg_core import contract
from rldg_core.gripper_command import LEAVE
from rldg_core.task import Task
from rldg_msgs.msg import SafetyState
from rldg_rl.acting.recorder_watch import RecorderWatch
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.robot.robot_client import RobotClient

START_SECONDS = 60.0  # of wall time, for gate and driver to come up
GATE_SECONDS = 2.0
ATTEMPTS = 5


def close_the_loop(
    node: Node,
    robot: RobotClient,
    task: Task,
    recorder: RecorderWatch | None = None,
    moves: bool = False,
) -> None:
    """Stand still until the gate lets that pass and the recorder, where there is one, hears it: where the driver puts
    the arm, or where it is if resets are motions (`moves`).

    While nodes find each other the gate hears nothing of a camera or a wrench and holds the arm: a step then
    says of its action that it was executed, and it was not. A recorder that hears robot or gate later than the
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
    for attempt in range(ATTEMPTS):
        try:
            seen = robot.measure() if moves else robot.reset(0, task.id)
            robot.act(seen.pose, LEAVE, seen.state_stamp)
            robot.observe(after=seen.state_stamp)
            robot.wait_for(
                lambda: robot.safety.state != SafetyState.HOLD, "the safety gate", GATE_SECONDS
            )
            if recorder is not None:
                robot.wait_for(recorder.hears_the_loop, "the recorder to hear it", GATE_SECONDS)
            return
        except RobotSilent as error:
            if attempt == ATTEMPTS - 1:
                held = f". The safety gate holds the arm: {robot.held}" if robot.held else ""
                raise RobotSilent(f"{error}{held}") from error
