# SPDX-License-Identifier: Apache-2.0
"""The messages of one topic that lie nearest to the stamps that the steps name; the others are forgotten again.

A real arm tells its state up to a thousand times a second, a step wants one of a hundred: only those are kept, and only
they are ever decoded.
"""

from __future__ import annotations

from rldg_core.bags.bag_reader import nearest
from rldg_core.message_values import stamp_of


class StateStream:
    """Serialised messages of a topic, in the order of the file."""

    def __init__(self) -> None:
        """Start empty."""
        self._recent: dict[int, bytes] = {}
        self._found: dict[int, bytes] = {}
        self._awaited: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._recent)

    def add(self, cdr: bytes) -> None:
        """A message arrived."""
        stamp = stamp_of(cdr)
        self._recent[stamp] = cdr
        for wanted in [w for w in self._awaited if w <= stamp]:
            self._awaited.remove(wanted)
            self._settle(wanted)

    def want(self, stamp: int) -> None:
        """A step names a stamp; later ones name later stamps."""
        if any(recent >= stamp for recent in self._recent):
            self._settle(stamp)
        else:
            self._awaited.append(stamp)

    def message(self, stamp: int) -> bytes:
        """The message nearest to a stamp that was wanted.

        Raises:
            ValueError: there is no message at all.
        """
        return self._found.get(stamp) or nearest(self._recent, stamp)

    def _settle(self, stamp: int) -> None:
        """Nothing that is still to come lies nearer; nothing before it is needed again."""
        self._found[stamp] = nearest(self._recent, stamp)
        before = max((recent for recent in self._recent if recent <= stamp), default=stamp)
        self._recent = {recent: cdr for recent, cdr in self._recent.items() if recent >= before}
