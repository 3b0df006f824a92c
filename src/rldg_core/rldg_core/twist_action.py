# SPDX-License-Identifier: Apache-2.0
"""What a SpaceMouse's twist means: a person pushes in the axes of `base`, an action is in the TCP frame."""

from __future__ import annotations

import numpy as np

from rldg_core.poses import Pose


def action_from_twist(twist: np.ndarray, tcp_quaternion: np.ndarray) -> np.ndarray:
    """Turn a twist in base axes into the first six action dimensions.

    Args:
        twist: (6,) linear then angular, each in [-1, 1] of full deflection, in axes of `base`.
        tcp_quaternion: (4,) x y z w of the TCP in `base`.

    Returns:
        (6,) in [-1, 1]: translation and rotation in the TCP frame.
    """
    tcp = Pose(np.zeros(3), tcp_quaternion)
    return np.clip(np.concatenate([tcp.local(twist[:3]), tcp.local(twist[3:])]), -1.0, 1.0)


def twist_from_action(action: np.ndarray, tcp_quaternion: np.ndarray) -> np.ndarray:
    """The twist (6,) in base axes that asks for an action (6,); inverse of `action_from_twist`."""
    base = Pose(np.zeros(3), tcp_quaternion).inverse()
    return np.concatenate([base.local(action[:3]), base.local(action[3:])])
