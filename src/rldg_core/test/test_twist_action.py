# SPDX-License-Identifier: Apache-2.0
"""Twists in base axes and actions in the TCP frame are two names of one thing."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from rldg_core.twist_action import action_from_twist, twist_from_action

DOWN = np.array([1.0, 0.0, 0.0, 0.0])
"""Tool pointing down: x as in base, y and z turned over."""


def test_pushing_down_is_forward_for_a_tool_that_points_down() -> None:
    action = action_from_twist(np.array([0, 0, -1.0, 0, 0, 0]), DOWN)
    assert np.allclose(action, [0, 0, 1.0, 0, 0, 0])


def test_there_and_back() -> None:
    rng = np.random.default_rng(0)
    for quaternion in Rotation.random(20, random_state=1).as_quat():
        action = rng.uniform(-0.5, 0.5, 6)
        assert np.allclose(
            action_from_twist(twist_from_action(action, quaternion), quaternion), action
        )


def test_an_action_never_leaves_its_range() -> None:
    tilted = Rotation.from_euler("z", 45, degrees=True).as_quat()
    assert np.abs(action_from_twist(np.ones(6), tilted)).max() <= 1.0
