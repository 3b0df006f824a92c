# SPDX-License-Identifier: Apache-2.0
"""One moment of the arm, put together from what franka_ros2's broadcaster says of it on several topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_core.contract import JOINT_NAMES
from rldg_core.poses import Pose
from rldg_robot.arm.measured import Measured
from rldg_robot.kinematics import ARM_JOINTS, site_pose
from rldg_robot.simulation import scene

Array = NDArray[np.float64]

ARM = JOINT_NAMES[:ARM_JOINTS]
TOLERANCE = 0.01
"""[m], and [rad / 10]: arms differ by millimetres from their drawing, tools by centimetres or an eighth of a turn"""
MOST_PENDING = 5
"""moments that wait for a part; what is best effort may be lost, and then is none"""


class WrongArm(ValueError):
    """What is measured is not of an FR3 with Franka's hand; the message says what differs."""


class ArmModel:
    """The FR3's kinematics up to the TCP of Franka's hand."""

    def __init__(self) -> None:
        spec = mujoco.MjSpec.from_file(str(scene.assets() / "fr3.xml"))
        for part in [*spec.geoms, *spec.meshes, *spec.excludes, *spec.keys]:
            spec.delete(part)
        spec.body("hand").add_site(name="tcp", pos=[0, 0, scene.TCP_OFFSET])
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._tcp = self._model.site("tcp").id

    def pose(self, joints: Array) -> Pose:
        """TCP in base at joint angles [rad] (7,)."""
        self._go_to(joints)
        return site_pose(self._data, self._tcp)

    def twist(self, joints: Array, velocities: Array) -> Array:
        """[m/s, rad/s] (6,) of the TCP in axes of base, at angles [rad] and velocities [rad/s] (7,)."""
        self._go_to(joints)
        jacobian = np.empty((6, self._model.nv))
        mujoco.mj_jacSite(self._model, self._data, jacobian[:3], jacobian[3:], self._tcp)
        twist: Array = jacobian[:, :ARM_JOINTS] @ velocities
        return twist

    def _go_to(self, joints: Array) -> None:
        self._data.qpos[:ARM_JOINTS] = joints
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)


@dataclass(frozen=True)
class Joints:
    """What the joints measure, under the names that they have there."""

    names: Sequence[str]
    positions: Sequence[float]
    """[rad]"""
    velocities: Sequence[float]
    """[rad/s]"""
    efforts: Sequence[float]
    """[Nm]"""

    def in_order(self) -> tuple[Array, Array, Array]:
        """Positions, velocities and efforts (7,) from the first joint to the last.

        Raises:
            WrongArm: they have other names.
        """
        if set(self.names) != set(ARM):
            raise WrongArm(
                f"the arm's joints are {', '.join(self.names)}, not {ARM[0]} to {ARM[-1]}"
            )
        order = [list(self.names).index(name) for name in ARM]
        q, dq, tau = (np.array(v)[order] for v in (self.positions, self.velocities, self.efforts))
        return q, dq, tau


@dataclass
class Parts:
    """What has come of one moment."""

    pose: Pose | None = None
    """O_T_EE"""
    wrench: Array | None = None
    """[N, Nm] (6,) K_F_ext_hat_K"""
    joints: Joints | None = None


class StateAssembler:
    """Collects the parts of moments. A moment is whole once all three parts have its stamp."""

    def __init__(self) -> None:
        self._model = ArmModel()
        self._pending: dict[int, Parts] = {}
        self._checked = False

    def add(self, stamp: int, part: Pose | Array | Joints) -> Measured | None:
        """A part with its stamp [ns]: O_T_EE, K_F_ext_hat_K (6,), or the joints; returns the moment that it completes.

        Raises:
            WrongArm: joints have other names, or the TCP is not that of Franka's hand.
        """
        parts = self._pending.setdefault(stamp, Parts())
        if isinstance(part, Pose):
            parts.pose = part
        elif isinstance(part, Joints):
            parts.joints = part
        else:
            parts.wrench = part
        if parts.pose is None or parts.wrench is None or parts.joints is None:
            for lost in sorted(self._pending)[:-MOST_PENDING]:
                del self._pending[lost]
            return None
        self._pending = {later: rest for later, rest in self._pending.items() if later > stamp}
        q, dq, tau = parts.joints.in_order()
        self._check_tcp(parts.pose, q)
        return Measured(
            pose=parts.pose,
            twist=self._model.twist(q, dq),
            wrench=-parts.wrench,  # libfranka counts what the robot exerts as positive
            joint_positions=q,
            joint_velocities=dq,
            joint_efforts=tau,
        )

    def _check_tcp(self, pose: Pose, joints: Array) -> None:
        """Contract and controller mean the TCP of Franka's hand: another one would move goals and box."""
        if self._checked:
            return
        off = pose.relative_to(self._model.pose(joints))
        away, turned = float(np.linalg.norm(off.position)), float(np.linalg.norm(off.rotvec))
        if max(away, turned / 10) > TOLERANCE:
            raise WrongArm(
                f"the arm's TCP is {1000 * away:.0f} mm and {turned:.2f} rad away from that of Franka's hand: choose "
                "the Franka hand as end effector in Desk"
            )
        self._checked = True
