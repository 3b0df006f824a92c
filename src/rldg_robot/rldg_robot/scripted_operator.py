# SPDX-License-Identifier: Apache-2.0
"""A person with a SpaceMouse, played: sees the task's true state, late, and steers to the goal with human flaws."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from rldg_robot.message_values import SECOND
from rldg_robot.poses import Pose
from rldg_robot.task import Task
from rldg_robot.teleop import twist_from_action

HANDS_OFF = np.zeros(6)


@dataclass(frozen=True)
class Flaws:
    """What makes the operator human."""

    delay: float = 0.2
    """[s] between seeing and acting"""
    noise: float = 0.15
    """standard deviation of the hand's tremor, in units of full deflection"""
    overshoot: float = 0.4
    """in [0, 1): part of the last deflection that the hand keeps, so that it comes late to a halt"""
    pauses: float = 0.1
    """[1/s] rate of hesitations"""
    pause_seconds: float = 0.7
    """[s] mean length of a hesitation"""
    speed: float = 0.5
    """in (0, 1]: largest deflection the operator dares"""


@dataclass(frozen=True)
class Attention:
    """When the operator takes over from a policy."""

    patience: float = 3.0
    """[s] without coming nearer until the operator reaches for the SpaceMouse"""
    help_seconds: float = 2.0
    """[s] for which the operator then leads"""
    probability: float = 0.5
    """of watching an episode at all"""
    nearer: float = 0.002
    """[m] that counts as coming nearer"""


@dataclass(frozen=True)
class Sight:
    """What the operator sees at one moment."""

    stamp: int
    """[ns] ROS time"""
    pose: Pose
    """TCP in base"""
    offset: Pose
    """goal in the TCP frame"""


class ScriptedOperator:
    """Steers connector insertions: over the socket first, then down, wiggling where it sticks."""

    HOVER = 0.022
    """[m] before the goal along the tool: higher than any socket is deep"""
    ALIGNED = 0.0015
    """[m] sideways and"""
    STRAIGHT = 0.03
    """[rad] of turn within which the operator dares to push"""

    def __init__(
        self,
        task: Task,
        seed: int,
        flaws: Flaws | None = None,
        attention: Attention | None = None,
    ) -> None:
        self.task = task
        self.flaws = flaws or Flaws()
        self.attention = attention or Attention()
        self._rng = np.random.default_rng(seed)
        self.begin("")

    def begin(self, source: str) -> None:
        """A new episode. The operator leads demonstrations, watches policies and leaves evaluations alone."""
        self._source = source
        self._watching = source == "policy" and self._rng.random() < self.attention.probability
        self._seen: deque[Sight] = deque()
        self._hand = np.zeros(6)
        self._pause_until = 0
        self._nearest = np.inf
        self._nearest_stamp = 0
        self._help_until = 0
        self._descending = False

    def deflection(self, sight: Sight) -> np.ndarray:
        """SpaceMouse deflection (6,) in [-1, 1], linear then angular in base axes; zeros: hands off."""
        self._seen.append(sight)
        if not (self._source == "demonstration" or self._must_help(sight)):
            self._hand = np.zeros(6)
            return HANDS_OFF
        return self._move_hand(self._perceived(sight.stamp), sight)

    def _perceived(self, now: int) -> Sight:
        while len(self._seen) > 1 and self._seen[1].stamp <= now - self.flaws.delay * SECOND:
            self._seen.popleft()
        return self._seen[0]

    def _must_help(self, sight: Sight) -> bool:
        if not self._watching:
            return False
        distance = float(np.linalg.norm(sight.offset.position))
        if self._nearest_stamp == 0 or distance < self._nearest - self.attention.nearer:
            self._nearest, self._nearest_stamp = distance, sight.stamp
        if sight.stamp - self._nearest_stamp > self.attention.patience * SECOND:
            self._help_until = sight.stamp + int(self.attention.help_seconds * SECOND)
            self._nearest_stamp = sight.stamp
        return sight.stamp < self._help_until

    def _move_hand(self, perceived: Sight, sight: Sight) -> np.ndarray:
        if sight.stamp < self._pause_until:
            wanted = np.zeros(6)
        else:
            wanted = twist_from_action(self._wanted_action(perceived), sight.pose.quaternion)
            wanted += self._rng.normal(0.0, self.flaws.noise, 6) * self.flaws.speed
            if self._rng.random() < self.flaws.pauses * self.task.period:
                pause = self._rng.exponential(self.flaws.pause_seconds)
                self._pause_until = sight.stamp + int(pause * SECOND)
        keep = self.flaws.overshoot
        self._hand = np.clip(keep * self._hand + (1.0 - keep) * wanted, -1.0, 1.0)
        return self._hand

    def _wanted_action(self, seen: Sight) -> np.ndarray:
        """(6,) action towards the goal, in the TCP frame."""
        offset, turn = seen.offset.position, seen.offset.rotvec
        sideways = float(np.linalg.norm(offset[:2]))
        aligned = sideways < self.ALIGNED and float(np.linalg.norm(turn)) < self.STRAIGHT
        # Once inside, a person keeps pushing; only when far off is it worth lifting again.
        self._descending = aligned or (self._descending and sideways < 3.0 * self.ALIGNED)
        wish = offset.copy()
        if not self._descending:
            wish[2] = offset[2] - self.HOVER
        else:
            wish[:2] += self._rng.normal(0.0, self.ALIGNED / 2, 2)
            wish[2] = max(offset[2], 0.004)
        scale = self.task.action_scale
        action = np.concatenate([wish / scale.translation, turn / scale.rotation])
        # A person slows down near the goal: half of what is missing, and never faster than they dare.
        return np.clip(0.5 * action, -self.flaws.speed, self.flaws.speed)
