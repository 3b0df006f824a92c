# SPDX-License-Identifier: Apache-2.0
"""A slow model works on the newest question, and what it says is not lost."""

from __future__ import annotations

import threading

import pytest

from rldg_rl.acting.inference import Inference, Stopwatch


def test_a_question_that_was_not_begun_gives_way_to_a_newer_one() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def model(question: int) -> int:
        begun.set()
        assert go_on.wait(10.0)
        return 2 * question

    inference = Inference(model)
    inference.ask(1)
    assert begun.wait(10.0)
    assert inference.answers() == [], "nobody waits for the model"
    for question in (2, 3, 4):
        inference.ask(question)
    go_on.set()
    found = inference.answers(10.0)
    while len(found) < 2:
        found += inference.answers(10.0)
    assert found == [(1, 2), (4, 8)]
    inference.close()


def test_what_the_model_raises_reaches_the_one_who_asks() -> None:
    def broken(_: int) -> int:
        raise ValueError("an image of the wrong size")

    inference = Inference(broken)
    inference.ask(1)
    with pytest.raises(ValueError, match="wrong size"):
        inference.answers(10.0)
    inference.close()


def test_percentiles_are_of_the_last_answers() -> None:
    stopwatch = Stopwatch()
    assert stopwatch.latency is None
    for milliseconds in [10_000, *range(1, 201)]:
        stopwatch.add(milliseconds / 1000)
    latency = stopwatch.latency
    assert latency is not None and latency.answers == 201
    assert latency.median == pytest.approx(0.1005) and latency.worst == 0.2
    assert latency.p95 == pytest.approx(0.19, abs=1e-3)
