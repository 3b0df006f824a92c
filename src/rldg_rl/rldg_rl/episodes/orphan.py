# SPDX-License-Identifier: Apache-2.0
"""The episode that an actor was killed in: the next one closes it."""

from __future__ import annotations

from pathlib import Path

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of
from rldg_core.task import load_task
from rldg_core.vocabulary import EpisodeStatus
from rldg_rl.episodes.episode_result import EpisodeResult


def orphan_of(bag: Path) -> EpisodeResult:
    """As it ends: aborted.

    Args:
        bag: of the episode, open as yet.
    """
    opening = messages_of(bag, contract.EPISODE)[0]
    task = load_task(f"{opening.task}/{opening.variant}")
    orphan = EpisodeResult(bag.name, task, opening.source, int(opening.seed), EpisodeStatus.ABORTED)
    orphan.instruction = opening.instruction
    orphan.reason = "the actor was restarted"
    return orphan
