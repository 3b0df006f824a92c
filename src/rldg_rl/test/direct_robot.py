# SPDX-License-Identifier: Apache-2.0
"""The twin as a robot without ROS, for tests of what lies above the robot contract."""

from __future__ import annotations

import numpy as np

from rldg_rl.observation import Observation
from rldg_robot.poses import Pose
from rldg_robot.task import Task
from rldg_robot.twin import Twin

PERIOD = 100_000_000


class DirectRobot:
    """Implements environment.Robot on a Twin in this process."""

    def __init__(self, task: Task) -> None:
        self.twin = Twin(task)
        self.seconds = task.period
        self.stamp = 1_000 * PERIOD

    def reset(self, seed: int, task: str) -> Observation:
        assert task == self.twin.task.id
        self.twin.reset(seed)
        self.stamp += PERIOD
        return self._observation()

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        assert stamp == self.stamp, "decided on a state that is past"
        self.twin.step(target, self.seconds)
        self.stamp += PERIOD

    def observe(self, after: int) -> Observation:
        assert after == self.stamp - PERIOD
        return self._observation()

    def _observation(self) -> Observation:
        twin = self.twin
        return Observation(
            state_stamp=self.stamp,
            image_stamp=self.stamp,
            pose=twin.pose,
            twist=twin.twist,
            wrench=twin.wrench,
            gripper_width=twin.gripper_width,
            offset=twin.offset,
            progress=twin.progress,
            success=twin.success,
            image=np.zeros((128, 128, 3), np.uint8),
        )
