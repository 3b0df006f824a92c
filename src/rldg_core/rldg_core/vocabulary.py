# SPDX-License-Identifier: Apache-2.0
"""The words that messages, files and code share about episodes: who acted, how one ended, where it comes from.

The numbers are those of `rldg_msgs`; the words are those of summaries, datasets and command lines.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExecutedBy(IntEnum):
    """Who acted in a step: `executed_by` of rldg_msgs/Step and of datasets."""

    POLICY = 0
    INTERVENTION = 1
    """a person, who took over in an episode of a policy"""
    DEMONSTRATION = 2
    """whoever led the whole episode, or up to the task's hand-over"""
    BASE = 3
    """the frozen policy below a residual one, alone"""
    EXPLORER = 4
    """a policy that brought the arm somewhere else before the one that is learned from"""

    @property
    def word(self) -> str:
        """For people."""
        return self.name.lower()


class EpisodeStatus(StrEnum):
    """How an episode ended, in words as summaries hold them; `number` is that of rldg_msgs/Episode."""

    OPEN = "open"
    SUCCESS = "success"
    FAILURE = "failure"
    ABORTED = "aborted"
    """counts for nothing"""

    @property
    def number(self) -> int:
        """As a message holds it."""
        return list(EpisodeStatus).index(self)

    @staticmethod
    def of(number: int) -> EpisodeStatus:
        """The status that a message's number means.

        Raises:
            ValueError: it means none.
        """
        if number not in range(len(EpisodeStatus)):
            raise ValueError(f"{number} is no status of an episode")
        return list(EpisodeStatus)[number]

    @property
    def closed(self) -> EpisodeStatus:
        """The same once nothing more can come: an episode that was left open was aborted."""
        return EpisodeStatus.ABORTED if self is EpisodeStatus.OPEN else self


class Source(StrEnum):
    """Where an episode comes from: `source` of rldg_msgs/Episode, of summaries and of datasets."""

    DEMONSTRATION = "demonstration"
    """led by a person, or by a policy that demonstrates"""
    POLICY = "policy"
    """led by a policy, in training or in a collection"""
    EVALUATION = "evaluation"
    """led by a policy that is judged"""
    REPLAY = "replay"
    """the actions of a recorded episode once more"""
    RELABELLED = "relabelled"
    """a recorded episode with a policy's actions in place of those that were executed"""
    RECORDED = "recorded"
    """recorded by another program"""


OUTCOMES = (EpisodeStatus.SUCCESS, EpisodeStatus.FAILURE, EpisodeStatus.ABORTED)
"""of an episode that is over"""
LED_BY_POLICY = (Source.POLICY, Source.EVALUATION)
"""episodes in which a person only leads in or helps"""
