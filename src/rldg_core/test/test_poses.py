# SPDX-License-Identifier: Apache-2.0
"""Poses against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rldg_core.poses import Pose


def random_pose(rng: np.random.Generator, size: float = 1.0) -> Pose:
    return Pose.from_rotvec(rng.normal(size=3), size * rng.normal(size=3))


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1.0])
def test_composition_agrees_with_matrices(size: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = random_pose(rng, size), random_pose(rng, size)
        product = a @ b
        np.testing.assert_allclose(product.matrix, a.matrix @ b.matrix, atol=1e-12)
        np.testing.assert_allclose(product.position, a.transform(b.position), atol=1e-12)
        expected = Rotation.from_matrix(a.matrix @ b.matrix).as_rotvec()
        np.testing.assert_allclose(product.rotvec, expected, atol=1e-9)


def test_inverse_undoes() -> None:
    rng = np.random.default_rng(1)
    a, b = random_pose(rng), random_pose(rng)
    for pose in (a @ a.inverse(), a.inverse() @ a):
        np.testing.assert_allclose(pose.position, 0, atol=1e-12)
        np.testing.assert_allclose(pose.rotvec, 0, atol=1e-9)
    np.testing.assert_allclose((a @ b).relative_to(a).position, b.position, atol=1e-12)


def test_rotvec_takes_the_short_way() -> None:
    pose = Pose(np.zeros(3), -Pose.from_rotvec(np.zeros(3), [0.1, 0.2, 0.3]).quaternion)
    np.testing.assert_allclose(pose.rotvec, [0.1, 0.2, 0.3], atol=1e-12)


def test_directions_turn_as_scipy_turns_them() -> None:
    rng = np.random.default_rng(2)
    pose, direction = random_pose(rng), rng.normal(size=3)
    expected = Rotation.from_quat(pose.quaternion).inv().apply(direction)
    np.testing.assert_allclose(pose.local(direction), expected, atol=1e-12)


def test_finite() -> None:
    assert Pose.identity().is_finite()
    assert not Pose(np.array([0.0, np.nan, 0.0]), np.array([0.0, 0.0, 0.0, 1.0])).is_finite()
    assert not Pose(np.zeros(3), np.zeros(4)).is_finite()


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"quaternion of a pose has shape \(3,\)"):
        Pose(np.zeros(3), np.zeros(3))
