# SPDX-License-Identifier: Apache-2.0
"""What the learner said last: the actor waits for it."""

from __future__ import annotations

from rldg_msgs.msg import LearnerStatus


class LearnerWatch:
    """The learner of a run, as its actor knows it."""

    def __init__(self) -> None:
        self._status = LearnerStatus()

    def hear(self, message: LearnerStatus) -> None:
        """It said how it fares."""
        self._status = message

    @property
    def is_ready(self) -> bool:
        """Whether it has begun: whatever there was to begin with is in its buffer."""
        return bool(self._status.ready)

    @property
    def updates(self) -> int:
        """Critic updates that it has done."""
        return int(self._status.updates)

    @property
    def note(self) -> str:
        """What it is doing, for people; empty: nothing special."""
        return str(self._status.note)
