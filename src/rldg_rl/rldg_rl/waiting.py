# SPDX-License-Identifier: Apache-2.0
"""Waiting for other parts of the stack, as long as it takes, with messages that name them."""

from __future__ import annotations

from collections.abc import Callable

LOOK_SECONDS = 0.1


class Waiting:
    """What a node of one thread does while somebody else has to do something first."""

    def __init__(
        self,
        spin: Callable[[float], None],
        goes_on: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        """Wait for no one yet.

        Args:
            spin: handles what arrives within some wall time [s].
            goes_on: whether the stack still runs.
            tell: a line for people.
        """
        self.spin = spin
        """handles what arrives within some wall time [s]"""
        self.goes_on = goes_on
        """whether the stack still runs"""
        self._tell = tell

    def until(
        self, condition: Callable[[], bool], whom: str, doing: Callable[[], str] = str
    ) -> None:
        """Wait until a condition holds, or the stack is stopped.

        Args:
            condition: looked at ten times a second.
            whom: for people.
            doing: what they say that they are doing; empty: nothing is known.
        """
        while self.goes_on() and not condition():
            self.spin(LOOK_SECONDS)
            if not condition():
                self._tell(doing() or f"waiting for {whom}")
