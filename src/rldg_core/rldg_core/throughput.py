# SPDX-License-Identifier: Apache-2.0
"""Successes per 10 minutes: how much a policy gets done, failures and resets included.

T = 600 s · successes / Σ (seconds of the episode + reset_seconds of its task), over all episodes. A reset counts with
the time that the task's YAML states (`Task.reset_seconds`), however it was done: the twin puts the arm at its start in
no time, and evaluations with and without motion are to be comparable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rldg_core.estimates import Estimate, ratio_difference, ratio_estimate
from rldg_core.task import load_task

TEN_MINUTES = 600.0
"""[s]"""
NO_EVENT = -np.log(0.025)
"""exact upper 97.5 % limit of a Poisson mean of which no event was seen (Garwood, Biometrika 28, 1936)"""


@dataclass(frozen=True)
class Attempts:
    """Episodes with the resets before them, in any order; of two compared policies in the same order."""

    success: np.ndarray
    """(N,) 1.0 or 0.0"""
    seconds: np.ndarray
    """(N,) [s] of robot time of the episode and its reset"""


def attempts(episodes: Iterable[tuple[str, bool, float]]) -> Attempts:
    """Of episodes (task, whether it succeeded, [s] of robot time).

    Raises:
        UnknownTask: there is no such task.
    """
    rows = [
        (success, seconds + load_task(task).reset_seconds) for task, success, seconds in episodes
    ]
    success, seconds = np.array(rows, float).reshape(-1, 2).T
    return Attempts(success, seconds)


def successes_per_10_minutes(of: Attempts) -> Estimate | None:
    """T with its 95 % interval; None without any episode.

    The interval is the delta method's, not below 0. Where none succeeded it has no width; there its upper limit is that
    of a Poisson rate of which no event was seen in all that time.
    """
    if not len(of.success):
        return None
    found = ratio_estimate(TEN_MINUTES * of.success, of.seconds)
    if not of.success.any():
        return Estimate(0.0, (0.0, float(TEN_MINUTES * NO_EVENT / of.seconds.sum())))
    if found.ci95 is None:
        return found
    low, high = found.ci95
    return Estimate(found.value, (max(low, 0.0), high))


def throughput_difference(first: Attempts, second: Attempts) -> Estimate:
    """T of the first minus T of the second over pairs of episodes, one at least, by the delta method for pairs."""
    ours, others = ((TEN_MINUTES * each.success, each.seconds) for each in (first, second))
    return ratio_difference(ours, others)
