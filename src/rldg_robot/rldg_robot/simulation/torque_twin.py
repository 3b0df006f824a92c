# SPDX-License-Identifier: Apache-2.0
"""The twin's world for whoever controls the arm by torques, as the simulators of real robots do."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_core.task import Task
from rldg_robot.simulation.twin import GRIPPER_PERIOD, Twin

Array = NDArray[np.float64]

TICK = 0.001
"""[s] of a torque"""
HOLD_STIFFNESS, HOLD_DAMPING = 1000.0, 60.0
"""[Nm/rad], [Nm s/rad] with which the robot holds its joints where it is not controlled"""


class TorqueTwin(Twin):
    """The twin's world without its impedance: whoever controls the arm sends joint torques."""

    def __init__(self, task: Task, image_size: int = 128) -> None:
        """Built as at the start of the episode with seed 0."""
        super().__init__(task, image_size=image_size)
        springs = np.arange(self.model.nu) < self._first_finger
        self.model.actuator_biasprm[springs] = self.model.actuator_gainprm[springs] = 0.0
        self.model.opt.timestep = TICK
        self._ticks = 0

    def push(self, torques: Array) -> None:
        """One tick under joint torques [Nm] (7,), gravity aside."""
        self.data.qfrc_applied[:7] = torques
        self._ticks += 1
        if self.gripper_moving and self._ticks % round(GRIPPER_PERIOD / TICK) == 0:
            self._advance_fingers(GRIPPER_PERIOD)
        mujoco.mj_step(self.model, self.data)

    def pose_as(self, positions: Array) -> None:
        """Put everything where it is at positions of all joints (nq,), to be looked at."""
        self.data.qpos[:] = positions
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    @property
    def tcp_matrix(self) -> Array:
        """TCP in base, (4, 4)."""
        whole = np.eye(4)
        whole[:3, :3] = self.data.site_xmat[self._tcp].reshape(3, 3)
        whole[:3, 3] = self.data.site_xpos[self._tcp]
        return whole

    @property
    def jacobian(self) -> Array:
        """(6, 7) from joint velocities to `twist`."""
        jacobian = np.empty((6, self.model.nv))
        mujoco.mj_jacSite(self.model, self.data, jacobian[:3], jacobian[3:], self._tcp)
        return jacobian[:, :7]

    @property
    def arm_efforts(self) -> Array:
        """[Nm] (7,) of the motors, gravity included."""
        return (self.data.qfrc_applied + self.data.qfrc_gravcomp)[:7]

    def holding(self, joints: Array) -> Array:
        """[Nm] (7,) with which the robot holds its joints at angles [rad] (7,) where it is not controlled."""
        off = np.asarray(joints) - self.data.qpos[:7]
        return HOLD_STIFFNESS * off - HOLD_DAMPING * self.data.qvel[:7]
