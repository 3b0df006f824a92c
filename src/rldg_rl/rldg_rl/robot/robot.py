# SPDX-License-Identifier: Apache-2.0
"""A robot, as reinforcement learning needs one: over ROS topics or in the same process."""

from __future__ import annotations

from typing import Protocol

from rldg_core.gate_reason import Reason
from rldg_core.gripper_command import MAX_GRIPPER_WIDTH
from rldg_core.poses import Pose
from rldg_rl.robot.observation import Observation

GRIPPER_SPEED, GRIPPER_FORCE = 0.1, 30.0


class RobotSilent(RuntimeError):
    """A part of the robot did not answer; the message names it."""


class Robot(Protocol):
    """The robot contract, as the environment needs it."""

    @property
    def stopped(self) -> Reason | None:
        """Why the safety gate stopped the arm, until that is released; None: it is not stopped."""

    @property
    def held(self) -> str:
        """Why the safety gate holds the arm until targets pass again; empty: it does not."""

    def reset(self, seed: int, task: str, stay: bool = False) -> Observation:
        """Bring the robot to a start pose of `task` drawn with `seed`; returns the first observation.

        With `stay` the driver only hears what comes, and the arm, which is out of the way, stays where it is.
        """

    def measure(self) -> Observation:
        """The observation of now, whatever was asked for before."""

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        """Ask for a TCP pose in base; `stamp` is that of the state it was decided on.

        Gripper: +1 open, -1 closed, 0: as it was asked for last, or found.
        """

    def observe(self, after: int) -> Observation:
        """The observation of the control step that follows the one stamped `after` [ns]."""


def gripper_command(command: float) -> tuple[float, float, float]:
    """Width [m], speed [m/s] and force [N] that a robot's gripper is sent for a command: +1 open, -1 closed."""
    return MAX_GRIPPER_WIDTH if command > 0 else 0.0, GRIPPER_SPEED, GRIPPER_FORCE
