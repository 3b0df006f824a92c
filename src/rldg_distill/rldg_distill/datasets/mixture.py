# SPDX-License-Identifier: Apache-2.0
"""Which step comes next: an endless order over the steps of several datasets, the same for the same seed.

Every dataset is walked in one shuffled order after the other. Between them, each next step is of the dataset that is
furthest behind its weight (smooth weighted round-robin), so the shares are exact in every stretch of the order. With
the weights left to the sizes, each step comes exactly once in as many steps as there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rldg_core.files.checked_file import FormatError, typed


@dataclass(frozen=True)
class Place:
    """A place in the order, a number for every dataset.

    Raises:
        ValueError: it is before the first step.
    """

    credit: tuple[float, ...]
    taken: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(taken < 0 for taken in self.taken):
            raise ValueError("fewer than no steps are taken")


class Mixture:
    """An order over `sum(sizes)` steps, numbered dataset after dataset."""

    def __init__(self, sizes: Sequence[int], weights: Sequence[float] | None, seed: int) -> None:
        """Begin at its first step.

        Args:
            sizes: steps of every dataset.
            weights: shares of the datasets, in any unit; None: their sizes.
            seed: of the shuffles.

        Raises:
            ValueError: an empty dataset, or weights that are no shares of these datasets.
        """
        if not sizes or min(sizes) < 1:
            raise ValueError("a dataset has no steps to train on")
        if weights is not None and (len(weights) != len(sizes) or min(weights) <= 0):
            raise ValueError(
                f"{len(sizes)} datasets need as many weights above 0, not {list(weights)}"
            )
        self._sizes = np.array(sizes)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._weights = np.array(sizes if weights is None else weights, float)
        self._seed = seed
        self._credit = np.zeros(len(sizes))
        self._taken = np.zeros(len(sizes), np.int64)
        self._orders: list[tuple[int, np.ndarray]] = [(-1, np.empty(0, np.int64)) for _ in sizes]

    def take(self, count: int) -> np.ndarray:
        """(count,) int64: the next steps."""
        return np.array([self._next() for _ in range(count)], np.int64)

    def _next(self) -> int:
        self._credit += self._weights
        chosen = int(np.argmax(self._credit))
        self._credit[chosen] -= self._weights.sum()
        epoch, place = divmod(int(self._taken[chosen]), int(self._sizes[chosen]))
        self._taken[chosen] += 1
        return int(self._starts[chosen] + self._order(chosen, epoch)[place])

    def _order(self, dataset: int, epoch: int) -> np.ndarray:
        if self._orders[dataset][0] != epoch:
            random = np.random.default_rng([self._seed, dataset, epoch])
            self._orders[dataset] = (epoch, random.permutation(self._sizes[dataset]))
        return self._orders[dataset][1]

    def state(self) -> dict[str, Any]:
        """The place in the order, for JSON."""
        return {"credit": self._credit.tolist(), "taken": self._taken.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a place that `state` gave, of the same sizes, weights and seed.

        Raises:
            FormatError: it is none, or of other datasets.
        """
        place = typed(state, Place, "the place in the order of the steps")
        if not len(place.credit) == len(place.taken) == len(self._sizes):
            raise FormatError(f"a place in the order of {len(place.taken)} datasets, not of these")
        self._credit = np.array(place.credit, float)
        self._taken = np.array(place.taken, np.int64)
