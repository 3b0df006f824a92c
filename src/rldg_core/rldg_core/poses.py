# SPDX-License-Identifier: Apache-2.0
"""Rigid poses: a position and a quaternion, composed, inverted, compared.

The arithmetic is on plain floats: a pose is seven numbers, and numpy or scipy calls on so few cost
ten times more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]


def _multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton product, x y z w."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _rotate(q: Quaternion, v: Vector) -> Vector:
    """Vector turned by a quaternion."""
    x, y, z, w = q
    vx, vy, vz = v
    tx, ty, tz = 2.0 * (y * vz - z * vy), 2.0 * (z * vx - x * vz), 2.0 * (x * vy - y * vx)
    return (
        vx + w * tx + y * tz - z * ty,
        vy + w * ty + z * tx - x * tz,
        vz + w * tz + x * ty - y * tx,
    )


def _floats(array: Array) -> Any:
    """A tuple of Python floats; arithmetic on them is several times faster than on numpy
    scalars.
    """
    return tuple(array.tolist())


@dataclass(frozen=True, eq=False)
class Pose:
    """Pose of a frame B in a frame A; `A_T_B @ B_T_C` is `A_T_C`.

    Raises:
        ValueError: a wrong shape. Values are not checked, so that a NaN can be met where it
        matters.
    """

    position: Array
    """[m] (3,)"""
    quaternion: Array
    """x y z w, unit length (4,)"""

    def __post_init__(self) -> None:
        """Own the numbers as float64 arrays."""
        for name, size in (("position", 3), ("quaternion", 4)):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.shape != (size,):
                raise ValueError(f"{name} of a pose has shape {array.shape}, expected ({size},)")
            object.__setattr__(self, name, array)

    @classmethod
    def identity(cls) -> Pose:
        """No motion."""
        return cls(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))

    @classmethod
    def from_rotvec(cls, position: ArrayLike, rotvec: ArrayLike) -> Pose:
        """Position [m] (3,) and rotation vector [rad] (3,)."""
        x, y, z = _floats(np.asarray(rotvec, dtype=np.float64))
        angle = math.sqrt(x * x + y * y + z * z)
        # sin(a/2)/a, by its series where the quotient would lose its digits
        factor = 0.5 - angle * angle / 48.0 if angle < 1e-4 else math.sin(0.5 * angle) / angle
        quaternion = np.array([factor * x, factor * y, factor * z, math.cos(0.5 * angle)])
        return cls(np.asarray(position, dtype=np.float64), quaternion)

    @property
    def rotvec(self) -> Array:
        """Rotation vector [rad] (3,), angle in [0, pi]."""
        x, y, z, w = _floats(self.quaternion)
        if w < 0.0:
            x, y, z, w = -x, -y, -z, -w
        sine = math.sqrt(x * x + y * y + z * z)
        factor = 2.0 / w if sine < 1e-9 else 2.0 * math.atan2(sine, w) / sine
        return np.array([factor * x, factor * y, factor * z])

    @property
    def matrix(self) -> Array:
        """Rotation matrix (3, 3)."""
        q: Quaternion = _floats(self.quaternion)
        return np.array([_rotate(q, (1, 0, 0)), _rotate(q, (0, 1, 0)), _rotate(q, (0, 0, 1))]).T

    def __matmul__(self, other: Pose) -> Pose:
        """Compose: self, then other in self's frame."""
        q: Quaternion = _floats(self.quaternion)
        x, y, z = _rotate(q, _floats(other.position))
        product = _multiply(q, _floats(other.quaternion))
        # Renormalised, or thousands of compositions would slowly leave the unit sphere.
        scale = 1.0 / math.sqrt(sum(c * c for c in product)) if any(product) else math.nan
        px, py, pz = _floats(self.position)
        return Pose(np.array([px + x, py + y, pz + z]), np.array([scale * c for c in product]))

    def inverse(self) -> Pose:
        """The pose that undoes this one."""
        x, y, z, w = _floats(self.quaternion)
        q = (-x, -y, -z, w)
        return Pose(-np.array(_rotate(q, _floats(self.position))), np.array(q))

    def relative_to(self, other: Pose) -> Pose:
        """The pose seen from `other`: `other.inverse() @ self`."""
        return other.inverse() @ self

    def transform(self, point: ArrayLike) -> Array:
        """A point [m] (3,) of frame B in frame A."""
        v: Vector = _floats(np.asarray(point, dtype=np.float64))
        return self.position + np.array(_rotate(_floats(self.quaternion), v))

    def local(self, direction: ArrayLike) -> Array:
        """A direction (3,) of frame A in the axes of frame B."""
        x, y, z, w = _floats(self.quaternion)
        v: Vector = _floats(np.asarray(direction, dtype=np.float64))
        return np.array(_rotate((-x, -y, -z, w), v))

    def is_finite(self) -> bool:
        """No NaN, no infinity, and a quaternion that is a rotation."""
        values = _floats(self.position) + _floats(self.quaternion)
        return all(map(math.isfinite, values)) and abs(sum(c * c for c in values[3:]) - 1.0) < 1e-3
