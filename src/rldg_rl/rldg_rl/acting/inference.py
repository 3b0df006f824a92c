# SPDX-License-Identifier: Apache-2.0
"""A slow model beside the control loop: it always works on the newest input, and no step waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

Question = TypeVar("Question")
Answer = TypeVar("Answer")
REMEMBERED = 200
"""latencies that percentiles are computed over"""


@dataclass(frozen=True)
class Latency:
    """Time that the model took for one answer [s of wall time]."""

    median: float
    p95: float
    worst: float
    answers: int
    """so far"""


@dataclass(frozen=True)
class Health:
    """How a model keeps up with its control loop."""

    latency: Latency | None
    """None before its first answer"""
    held: int
    """control steps so far at which the arm stayed where it was because no chunk reached that far"""
    reach: float
    """[s] that a chunk covers"""


class Stopwatch:
    """Latencies of the last answers."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._answers = 0

    def add(self, seconds: float) -> None:
        """An answer took so long."""
        self._seconds.append(seconds)
        self._answers += 1

    @property
    def latency(self) -> Latency | None:
        """Percentiles; None before the first answer."""
        if not self._seconds:
            return None
        median, p95, worst = np.percentile(list(self._seconds), [50, 95, 100]).tolist()
        return Latency(median, p95, worst, self._answers)


class Inference(Generic[Question, Answer]):
    """Answers questions in a thread of its own. A question that was not begun gives way to a newer one."""

    def __init__(self, model: Callable[[Question], Answer]) -> None:
        """Start the thread; `model` runs in it."""
        self._model = model
        self._changed = threading.Condition()
        self._question: Question | None = None
        self._answers: deque[tuple[Question, Answer]] = deque()
        self._error: Exception | None = None
        self._over = False
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Put a question in the place of the one that waits."""
        with self._changed:
            self._question = question
            self._changed.notify_all()

    def answers(self, wait: float = 0.0) -> list[tuple[Question, Answer]]:
        """Questions with their answers that came since the last call, oldest first.

        Args:
            wait: [s] of wall time for the first one.

        Raises:
            Exception: what the model raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._answers or self._error, wait)
            if self._error:
                raise self._error
            found = list(self._answers)
            self._answers.clear()
            return found

    def close(self) -> None:
        """End the thread once its present answer is there."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (question := self._next()) is not None:
            try:
                answer = self._model(question)
            except Exception as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._answers.append((question, answer))
                self._changed.notify_all()

    def _next(self) -> Question | None:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._question is not None)
            question, self._question = self._question, None
            return None if self._over else question
