# SPDX-License-Identifier: Apache-2.0
"""A person's hand on a SpaceMouse: pushes one or two axes at a time, sluggishly and not quite as far as meant."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from rldg_core.message_values import SECOND
from rldg_core.task import Task
from rldg_core.twist_action import twist_from_action
from rldg_robot.person.intention import IntendedMove


@dataclass(frozen=True)
class HandTraits:
    """How well a person pushes."""

    refractory: float
    """[s] from one decision to the next"""
    lag: float
    """[s] time constant with which the hand follows the will"""
    gain: float
    """part of a commanded translation that the arm does in one step, as practice has taught"""
    turn_gain: float
    """the same of a rotation"""
    second_axis: float
    """a second axis is pushed too where it wants at least this part of the first one's way"""
    tap: float
    """smallest deflection that is pushed on purpose; shorter ways are taken by shorter pushes"""
    error: float
    """standard deviation of the way of one push, in parts of it"""
    tremor: float
    """standard deviation of the deflection, in parts of it"""
    dead_band: float
    """deflection below which the device says nothing"""


class OperatorHand:
    """Pushes through one episode. Deflections are (6,), linear then angular, in base axes."""

    def __init__(self, traits: HandTraits, task: Task, rng: np.random.Generator) -> None:
        self._traits = traits
        self._period = task.period
        self._rng = rng
        scale = task.action_scale
        self._step = np.repeat(
            [traits.gain * scale.translation, traits.turn_gain * scale.rotation], 3
        )
        self._wanted = np.zeros(6)
        self._hand = np.zeros(6)
        self._begin, self._end, self._free = 0, 0, 0
        self._past: deque[tuple[int, np.ndarray]] = deque()

    def is_free(self, now: int) -> bool:
        """Whether a new push can be decided on at `now` [ns]."""
        return now >= self._free

    def moved_since(self, stamp: int) -> np.ndarray:
        """[m, rad] (6,) way that was pushed from `stamp` [ns] on, in base axes."""
        while self._past and self._past[0][0] < stamp:
            self._past.popleft()
        return sum((deflection for _, deflection in self._past), np.zeros(6)) * self._step

    def plan(self, intended: IntendedMove, quaternion: np.ndarray, now: int) -> None:
        """Decide on the next push; `quaternion` (4,) x y z w of the TCP in base."""
        traits = self._traits
        steps = self._chosen(twist_from_action(intended.move, quaternion) / self._step)
        steps *= self._rng.normal(1.0, traits.error, 6)
        longest = float(np.abs(steps).max())
        interval = traits.refractory / self._period
        # In one interval at a bearable speed; if that were less than a tap, by a shorter tap.
        deflection = np.clip(longest / interval, min(traits.tap, intended.speed), intended.speed)
        self._wanted = steps * (deflection / longest if longest else 0.0)
        duration = min(longest / deflection, interval) * self._period
        self._begin = now + int(intended.pause * SECOND)
        self._end = self._begin + int(duration * SECOND)
        self._free = self._begin + int(traits.refractory * SECOND)

    def push(self, now: int) -> np.ndarray:
        """The device's deflection for the control step at `now` [ns]."""
        traits, period = self._traits, int(self._period * SECOND)
        pushed = np.clip(self._end - now, 0, period) - np.clip(self._begin - now, 0, period)
        follow = 1.0 - np.exp(-self._period / traits.lag)
        self._hand += follow * (self._wanted * (pushed / period) - self._hand)
        deflection = self._hand * self._rng.normal(1.0, traits.tremor, 6)
        deflection = np.where(np.abs(deflection) > traits.dead_band, deflection, 0.0)
        deflection = np.clip(deflection, -1.0, 1.0)
        self._past.append((now, deflection))
        return deflection

    def _chosen(self, steps: np.ndarray) -> np.ndarray:
        """The axis with the longest way, in steps of full deflection, and perhaps a second one of its kind."""
        ways = np.abs(steps)
        first = int(ways.argmax())
        group = slice(0, 3) if first < 3 else slice(3, 6)
        second = float(np.sort(ways[group])[-2])
        least = max(second, self._traits.second_axis * ways[first])
        chosen = np.zeros(6)
        chosen[group] = np.where(ways[group] >= least, steps[group], 0.0)
        return chosen
