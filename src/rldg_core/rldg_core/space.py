# SPDX-License-Identifier: Apache-2.0
"""What every number of an action or a state means: its name, its unit, and whether it is a switch."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest

MOST = 4096
"""numbers of a space, so that no file makes a network that no memory holds"""


@dataclass(frozen=True)
class Space:
    """The numbers of an action or a state, in their order. Stored with every checkpoint, dataset and student.

    Raises:
        ValueError: names, units and switches do not fit each other, or cannot be.
    """

    names: tuple[str, ...]
    """of every number, with its unit: `translation_x [m]`"""
    unit: tuple[float, ...]
    """what 1.0 is, in the unit that the name says"""
    switches: int = 0
    """how many of the last numbers are chosen, as open or closed: no Gaussian, never normalised"""

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MOST:
            raise ValueError(f"a space has 1 to {MOST} numbers, not {len(self.names)}")
        for name, count in Counter(self.names).items():
            if not name.strip() or not name.isprintable():
                raise ValueError(f"{name!r} is no name of a number")
            if count > 1:
                raise ValueError(f"{count} numbers are called '{name}'")
        if len(self.unit) != len(self.names):
            raise ValueError(f"{len(self.names)} names have {len(self.unit)} units")
        for name, unit in zip(self.names, self.unit, strict=True):
            if not (math.isfinite(unit) and unit > 0):
                raise ValueError(f"1.0 of '{name}' cannot be {unit}")
        if not 0 <= self.switches <= len(self.names):
            raise ValueError(f"{self.switches} of {len(self.names)} numbers cannot be switches")

    @classmethod
    def of(cls, *names: str, switches: int = 0) -> Space:
        """Numbers in the very units that their names say.

        Raises:
            ValueError: as of every space.
        """
        return cls(names, (1.0,) * len(names), switches)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def motions(self) -> int:
        """How many numbers come before the switches."""
        return len(self.names) - self.switches

    def difference(self, other: Space) -> str:
        """Which number of another space is not this one's, the first of them; empty: they are the same."""
        for place, (mine, theirs) in enumerate(zip_longest(self.names, other.names)):
            if mine != theirs:
                return f"number {place} is {_quoted(theirs)}, and here {_quoted(mine)}"
        for name, mine, theirs in zip(self.names, self.unit, other.unit, strict=True):
            if mine != theirs:
                return f"1.0 of '{name}' is {theirs:g}, and here {mine:g}"
        if self.switches != other.switches:
            return (
                f"its last {other.switches} numbers are switches, and here the last {self.switches}"
            )
        return ""


@dataclass(frozen=True)
class Spaces:
    """What the numbers of a body's actions and states mean."""

    action: Space
    state: Space

    def difference(self, other: Spaces) -> str:
        """As of a space, with which of the two it is; empty: they are the same."""
        for name in ("action", "state"):
            if found := getattr(self, name).difference(getattr(other, name)):
                return f"{name}: {found}"
        return ""


def _quoted(name: str | None) -> str:
    return "missing" if name is None else f"'{name}'"
