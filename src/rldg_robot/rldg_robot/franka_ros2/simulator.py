# SPDX-License-Identifier: Apache-2.0
"""A simulated arm that behaves as franka_ros2's hardware under crisp's Cartesian controller: the twin's world below.

The law is that of crisp_controllers 1.0 with `use_local_jacobian`, written down from what it does. Left out: the
smoothing of the target (gone after 3 ms), compensation of friction and of Coriolis forces, and its joint limits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.simulation.torque_twin import TorqueTwin

Array = NDArray[np.float64]

AXES = ("pos_x", "pos_y", "pos_z", "rot_x", "rot_y", "rot_z")
CLIPS = ("x", "y", "z", "rx", "ry", "rz")
DEFAULTS = {
    **{f"task.k_{axis}": 500.0 if axis.startswith("pos") else 30.0 for axis in AXES},
    **{f"task.d_{axis}": -1.0 for axis in AXES},
    **{f"task.error_clip.{axis}": 0.5 if axis.startswith("r") else 0.1 for axis in CLIPS},
    "nullspace.stiffness": 1.0,
    "nullspace.damping": 2.0,
    "nullspace.max_tau": 5.0,
    "max_delta_tau": 0.5,
}
"""crisp's parameters that are heeded, with its defaults, but for a negative damping that it would take as it is"""


class SimulatedRobot:
    """One arm and its controller. A reflex ends the controller and the hardware, until both are brought back."""

    def __init__(self, task: Task, reflex_force: float = 80.0, image_size: int = 128) -> None:
        """Built as at the start of the episode with seed 0, holding its joints.

        Args:
            task: whose world it stands in.
            reflex_force: [N] along an axis, beyond which the robot stops by itself under control.
            image_size: [pixel] of the wrist camera.
        """
        self.world = TorqueTwin(task, image_size)
        self.parameters = dict(DEFAULTS)
        self.mode = "Idle"
        self.controlled = False
        self.hardware = True
        self._reflex_force = reflex_force
        self._heard: Pose | None = None
        self._target = self.world.pose
        self._rest = self.world.data.qpos[:7].copy()
        self._torques = np.zeros(7)

    def hear(self, target: Pose) -> None:
        """A target; one that comes while the controller is off is taken up when it is switched on, as crisp does."""
        self._heard = target

    def switch(self, on: bool) -> bool:
        """Begin or end control; returns whether it could be."""
        if on and not (self.hardware and self.mode in ("Idle", "Move")):
            return False
        if on is self.controlled:
            return True
        self._target = self.world.pose
        self._torques = np.zeros(7)
        self._rest = self.world.data.qpos[:7].copy()
        self.controlled = on
        self.mode = "Move" if on else "Idle"
        return True

    def fail(self, mode: str = "Reflex") -> None:
        """Stop by itself."""
        self.controlled = self.hardware = False
        self._rest = self.world.data.qpos[:7].copy()
        self.mode = mode

    def clear(self) -> None:
        """Automatic error recovery: the robot's own part of it."""
        self.mode = "Move" if self.controlled else "Idle"

    def set(self, parameters: Mapping[str, float]) -> None:
        """Change parameters while it runs."""
        self.parameters |= parameters

    def tick(self) -> None:
        """One millisecond."""
        if self.controlled:
            self._torques = self._law()
        else:
            self._torques = self.world.holding(self._rest)
        self.world.push(self._torques)
        if self.controlled and np.abs(self.world.wrench[:3]).max() > self._reflex_force:
            self.fail()

    def _law(self) -> Array:
        if self._heard is not None:
            self._target, self._heard = self._heard, None
        world, value = self.world, self.parameters
        q, dq = world.data.qpos[:7], world.data.qvel[:7]
        turn = world.tcp_matrix[:3, :3].T
        jacobian = np.vstack([turn @ world.jacobian[:3], turn @ world.jacobian[3:]])
        error = self._target.relative_to(world.pose)
        clip = np.array([value[f"task.error_clip.{axis}"] for axis in CLIPS])
        clipped = np.clip(np.concatenate([error.position, error.rotvec]), -clip, clip)
        stiffness = np.array([value[f"task.k_{axis}"] for axis in AXES])
        damping = np.array([value[f"task.d_{axis}"] for axis in AXES])
        damping = np.where(damping > 0, damping, 2 * np.sqrt(stiffness))
        task = jacobian.T @ (stiffness * clipped - damping * (jacobian @ dq))
        posture = value["nullspace.stiffness"] * (self._rest - q) - value["nullspace.damping"] * dq
        free = posture - np.linalg.pinv(jacobian) @ (jacobian @ posture)
        most = value["nullspace.max_tau"]
        wanted = task + np.clip(free, -most, most)
        most = value["max_delta_tau"]
        limited: Array = self._torques + np.clip(wanted - self._torques, -most, most)
        return limited
