# SPDX-License-Identifier: Apache-2.0
"""The right action of the right chunk at every step."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_rl.policies.chunks import Chunks, Execution


def chunk(start: int, length: int = 4) -> np.ndarray:
    """Actions that say which step they are for, and when they were decided."""
    return np.array([[step, start] for step in range(start, start + length)], float)


def test_nothing_is_known_before_the_first_chunk() -> None:
    chunks = Chunks()
    assert chunks.wants(0) and chunks.action(0) is None


@pytest.mark.parametrize("horizon", [1, 2, 4, 5, 100])
def test_a_receding_horizon_asks_when_it_is_due_and_takes_the_newest(horizon: int) -> None:
    chunks = Chunks(Execution(horizon))
    due = min(horizon, 4)  # a chunk that has ended leaves nothing to carry out
    for step in range(12):
        if chunks.wants(step):
            chunks.add(step, chunk(step))
        assert list(chunks.action(step)) == [step, step - step % due]


def test_a_chunk_that_comes_late_is_entered_at_the_present_step() -> None:
    chunks = Chunks(Execution(4))
    chunks.add(0, chunk(0))
    assert list(chunks.action(3)) == [3, 0]
    chunks.add(2, chunk(2))  # decided on what was seen at step 2, ready only now
    assert list(chunks.action(4)) == [4, 2]
    assert chunks.action(6) is None, "no chunk reaches this far: an old action is not repeated"


def test_an_ensemble_weighs_the_oldest_most() -> None:
    chunks = Chunks(Execution(1, ensemble=0.5))
    for start in range(4):
        chunks.add(start, np.full((4, 1), float(start)))
    weights = np.exp(-0.5 * np.arange(4))
    assert chunks.action(3) == pytest.approx(np.dot(weights, np.arange(4)) / weights.sum())
    assert chunks.action(5) == pytest.approx(np.dot(weights[:2], [2, 3]) / weights[:2].sum()), (
        "those that do not reach this far have no say"
    )


def test_a_chunk_must_be_carried_out() -> None:
    with pytest.raises(ValueError, match="1 is the least"):
        Execution(0)
