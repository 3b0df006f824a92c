# SPDX-License-Identifier: Apache-2.0
"""What a perturbation does in one episode: where the board is, and what measurements show instead of what is.

All of it follows from the episode's seed and the moment: reading a measurement twice, or not at all, changes nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rldg_core.perturbation import Perturbation
from rldg_core.poses import Pose

Array = NDArray[np.float64]

BOARD_PERIOD = 4.0
"""[s] of the board's way to and fro: slow for a hand that follows, fast for one that does not look again"""
TORQUE_NOISE = 0.1
"""[m] torque noise over force noise"""
BOARD, OFFSET, WRENCH, IMAGE = range(4)
"""sources of chance: none depends on whether another is used"""


class Disturbance:
    """A perturbation in an episode; moments are physics steps since it began."""

    def __init__(self, perturbation: Perturbation, seed: int) -> None:
        """Draw what lasts for the whole episode."""
        self._perturbation = perturbation
        self._seed = seed
        angle = self._rng(BOARD, 0).uniform(0.0, 2.0 * math.pi)
        self._way = perturbation.board * np.array([math.cos(angle), math.sin(angle), 0.0])

    def board(self, seconds: float) -> Array:
        """[m] (3,) how far the board is from its place, in base, so long after the episode's begin."""
        return self._way * math.sin(2.0 * math.pi * max(seconds, 0.0) / BOARD_PERIOD)

    def offset(self, true: Pose, moment: int) -> Pose:
        """The offset of the goal as it is measured."""
        sigma = self._perturbation.noise
        if not sigma:
            return true
        error = self._rng(OFFSET, moment).normal(0.0, sigma, 3)
        return Pose(true.position + error, true.quaternion)

    def wrench(self, true: Array, moment: int) -> Array:
        """The wrench (6,) [N, Nm] as it is measured."""
        sigma = self._perturbation.force_noise
        if not sigma:
            return true
        return true + self._rng(WRENCH, moment).normal(0.0, sigma, 6) * (
            [1.0] * 3 + [TORQUE_NOISE] * 3
        )

    def image(self, true: NDArray[np.uint8], moment: int) -> NDArray[np.uint8]:
        """The picture as it is taken."""
        sigma = self._perturbation.image_noise
        if not sigma:
            return true
        error = self._rng(IMAGE, moment).normal(0.0, 255.0 * sigma, true.shape)
        return np.clip(np.rint(true + error), 0, 255).astype(np.uint8)

    def _rng(self, source: int, moment: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, source, moment])
