# SPDX-License-Identifier: Apache-2.0
"""Where a site is, and the arm's joints that bring it elsewhere."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rldg_core.poses import Pose

Array = NDArray[np.float64]
ARM_JOINTS = 7
_ITERATIONS = 100
_PRECISION = 1e-9  # [m, rad]
_DAMPING = 1e-4


class OutOfReach(ValueError):
    """No joint angles were found that bring the TCP there."""


def site_pose(data: mujoco.MjData, site: int) -> Pose:
    """A site in base."""
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, data.site_xmat[site])
    return Pose(data.site_xpos[site].copy(), np.roll(quaternion, -1))


def joints_for(
    model: mujoco.MjModel, data: mujoco.MjData, site: int, target: Pose, start: ArrayLike
) -> Array:
    """Joint angles (7,) [rad] that put a site at `target`: damped least squares from `start`.

    Joint limits are not looked at. Leaves the arm of `data` there.

    Raises:
        OutOfReach: not found.
    """
    jacobian = np.empty((6, model.nv))
    data.qpos[:ARM_JOINTS] = start
    for _ in range(_ITERATIONS):
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        here = site_pose(data, site)
        local = target.relative_to(here)
        error = here.matrix @ np.stack([local.position, local.rotvec], axis=1)
        error = error.T.ravel()
        if np.abs(error).max() < _PRECISION:
            return data.qpos[:ARM_JOINTS].copy()
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], site)
        j = jacobian[:, :ARM_JOINTS]
        data.qpos[:ARM_JOINTS] += j.T @ np.linalg.solve(j @ j.T + _DAMPING * np.eye(6), error)
    raise OutOfReach(f"the arm cannot reach {target}: error {error} after {_ITERATIONS} iterations")
