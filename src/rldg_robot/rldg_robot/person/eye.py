# SPDX-License-Identifier: Apache-2.0
"""A person's eye: late, of limited sharpness, and misled by the angle it looks from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from rldg_core.gripper_command import LEAVE
from rldg_core.message_values import SECOND
from rldg_core.poses import Pose


@dataclass(frozen=True)
class Sight:
    """What there is to see at one moment."""

    stamp: int
    """[ns] ROS time"""
    pose: Pose
    """TCP in base"""
    offset: Pose
    """goal in the TCP frame"""
    gripper: float = LEAVE
    """what the fingers should do there: OPEN, LEAVE or CLOSE"""
    progress: float = 0.0
    """of the task, in [0, 1]"""


@dataclass(frozen=True)
class EyeTraits:
    """How well a person sees."""

    delay: float
    """[s] from the world to a decision"""
    resolution: float
    """[m] standard deviation of one glance, along each axis"""
    turn_resolution: float
    """[rad] standard deviation of one glance, about each axis"""
    slant: float
    """standard deviation of the sideways error that stays for an episode, in parts of the depth"""
    depth: float
    """standard deviation of the error in depth that stays for an episode, in parts of the depth"""


class Eye:
    """Sees one episode."""

    def __init__(self, traits: EyeTraits, rng: np.random.Generator) -> None:
        self._traits = traits
        self._rng = rng
        self._passed: deque[Sight] = deque()
        # Along x, y, z of the TCP frame: seen from somewhere else next time, but from one place now.
        self._bias = rng.normal(0.0, (traits.slant, traits.slant, traits.depth))

    def watch(self, sight: Sight) -> None:
        """A moment passes before the eye."""
        self._passed.append(sight)

    def glance(self, now: int) -> Sight | None:
        """What is known at `now` [ns] of a moment ago; None: nothing yet. Every glance errs anew."""
        latest = now - self._traits.delay * SECOND
        while len(self._passed) > 1 and self._passed[1].stamp <= latest:
            self._passed.popleft()
        if not self._passed or self._passed[0].stamp > latest:
            return None
        seen, traits = self._passed[0], self._traits
        position = seen.offset.position
        position = position + self._bias * abs(position[2])
        position = position + self._rng.normal(0.0, traits.resolution, 3)
        turn = seen.offset.rotvec + self._rng.normal(0.0, traits.turn_resolution, 3)
        return replace(seen, offset=Pose.from_rotvec(position, turn))
