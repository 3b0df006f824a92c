# SPDX-License-Identifier: Apache-2.0
"""What a person wants next: phases, one after another, judged by what they see alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from rldg_core.poses import Pose


class Phase(Enum):
    """Where a person is in the task."""

    APPROACH = auto()
    """to a point before the goal"""
    TURN = auto()
    """to the goal's orientation"""
    ALIGN = auto()
    """sideways, by small steps"""
    DESCEND = auto()
    """ahead along the tool"""
    PRESS = auto()
    """harder, for nothing moves"""
    SEARCH = auto()
    """pressing and feeling to one side after another"""
    BACK_OFF = auto()
    """out again, for another try"""
    HANDLE = auto()
    """still, while the fingers close or open"""


THROUGH = 0.1
"""[m] who pushes means to arrive, and does not slow down before"""
PUSHING = (Phase.DESCEND, Phase.PRESS, Phase.SEARCH)


@dataclass(frozen=True)
class IntentionTraits:
    """How a person goes about it."""

    hover: float
    """[m] before the goal along the tool, where they stop to aim"""
    near: float
    """[m] from that point, from where on they aim"""
    aligned: float
    """[m] sideways error within which they dare to go down"""
    lost: float
    """[m] sideways error at which they stop going down"""
    straight: float
    """[rad] error within which they dare to go down"""
    grip: float
    """the same errors, sideways and of turn, may be so many times larger where the fingers close or open"""
    reach: float
    """[m] before the goal at which they let the fingers do that"""
    elsewhere: float
    """[m] sideways at which the goal is another one, to be approached; so is one that lies behind"""
    fast: float
    """largest deflection while approaching, in (0, 1]"""
    stride: float
    """[m] longer ways are approached faster, in proportion"""
    careful: float
    """largest deflection while aligning, turning and going down"""
    push: float
    """largest deflection while pressing and searching"""
    budge: float
    """[m] by which it must go ahead to be seen moving"""
    searches: int
    """pushes to a side until they back off"""
    search: float
    """[m] that they feel to one side"""
    lift: float
    """[m] that they back off"""
    hesitation: float
    """share of the new phases that begin with a pause"""
    pause: float
    """[s] mean length of one"""
    mood: float
    """standard deviation of the logarithm of an episode's speed"""


@dataclass(frozen=True)
class IntendedMove:
    """A movement that a person wants to make."""

    move: np.ndarray
    """[m, rad] (6,) translation and rotation vector, in the TCP frame"""
    speed: float
    """largest deflection"""
    pause: float = 0.0
    """[s] of thinking before it"""


class Intention:
    """Goes through one episode."""

    def __init__(self, traits: IntentionTraits, rng: np.random.Generator) -> None:
        self._traits = traits
        self._rng = rng
        self._mood = float(np.exp(rng.normal(0.0, traits.mood)))
        self.phase = Phase.APPROACH
        self._deepest = np.inf
        self._searched = 0

    def next_move(self, seen: Pose, expected: Pose, handles: bool) -> IntendedMove:
        """Decide what to do next.

        Args:
            seen: goal in the TCP frame, as last seen.
            expected: the same, as it should be by now.
            handles: whether the fingers close or open at the goal; otherwise something is pushed in.
        """
        moving = seen.position[2] < self._deepest - self._traits.budge
        if moving:
            self._deepest = seen.position[2]
        # Where something is touched, what counts is what is seen, not what was pushed.
        offset = seen if self.phase in PUSHING else expected
        phase = self._next_phase(offset, moving, handles)
        pause = self._enter(phase, seen) if phase is not self.phase else 0.0
        move = self._move(offset, handles)
        return IntendedMove(move, min(self._speed(move) * self._mood, 1.0), pause)

    def _next_phase(self, offset: Pose, moving: bool, handles: bool) -> Phase:
        traits, phase = self._traits, self.phase
        ease = traits.grip if handles else 1.0
        sideways, depth = float(np.hypot(*offset.position[:2])) / ease, offset.position[2]
        crooked = float(np.abs(offset.rotvec).max()) > traits.straight * ease
        if sideways * ease > traits.elsewhere or depth < -traits.near:
            return Phase.APPROACH
        if phase is Phase.HANDLE:
            return phase if handles else Phase.APPROACH
        if phase is Phase.APPROACH:
            there = max(sideways, abs(depth - traits.hover)) < traits.near
            inside = sideways < traits.aligned and depth < traits.hover
            return (Phase.TURN if crooked else Phase.ALIGN) if there or inside else phase
        if phase is Phase.TURN:
            return phase if crooked else Phase.ALIGN
        if phase is Phase.ALIGN:
            if sideways < traits.aligned:
                return Phase.TURN if crooked else Phase.DESCEND
            return phase
        if phase is Phase.BACK_OFF:
            return Phase.ALIGN
        if handles and depth < traits.reach:
            return Phase.HANDLE
        if moving:
            return Phase.ALIGN if sideways > traits.lost else Phase.DESCEND
        if phase is Phase.DESCEND:
            return Phase.PRESS
        if phase is Phase.PRESS:
            return Phase.SEARCH
        return Phase.BACK_OFF if self._searched >= traits.searches else phase

    def _enter(self, phase: Phase, seen: Pose) -> float:
        """Take up a phase; returns the pause [s] before it."""
        if phase in PUSHING and self.phase not in PUSHING:
            self._deepest = seen.position[2]
        self._searched = 0
        pushes_on = phase in PUSHING and self.phase in PUSHING
        self.phase = phase
        if pushes_on or self._rng.random() > self._traits.hesitation:
            return 0.0
        return float(self._rng.exponential(self._traits.pause))

    def _speed(self, move: np.ndarray) -> float:
        traits = self._traits
        if self.phase is Phase.APPROACH:
            return traits.fast * max(float(np.abs(move[:3]).max()) / traits.stride, 1.0)
        if self.phase in (Phase.PRESS, Phase.SEARCH):
            return traits.push
        return traits.careful

    def _move(self, offset: Pose, handles: bool) -> np.ndarray:
        """(6,) in the TCP frame."""
        traits, move = self._traits, np.zeros(6)
        x, y, depth = offset.position
        if self.phase is Phase.APPROACH:
            move[:3] = x, y, depth - traits.hover
        elif self.phase is Phase.TURN:
            move[3:] = np.where(np.abs(offset.rotvec) > traits.straight, offset.rotvec, 0.0)
        elif self.phase is Phase.ALIGN:
            move[:2] = x, y
        elif self.phase is Phase.BACK_OFF:
            move[2] = -traits.lift
        elif self.phase is Phase.HANDLE:
            pass
        elif handles:
            move[2] = depth
        elif self.phase is Phase.SEARCH:
            self._searched += 1
            side = int(abs(y) > abs(x))
            move[side] = np.copysign(traits.search, offset.position[side])
            move[2] = traits.search
        else:
            move[2] = THROUGH
        return move
