# SPDX-License-Identifier: Apache-2.0
"""How far a gripper is open, from its joints or from a width.

Nothing is believed on a name, and what is said lies within the gripper's stroke.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rldg_core.gripper_command import MAX_GRIPPER_WIDTH
from rldg_distill.datasets.episode import BadBag
from rldg_distill.datasets.plausibility import WIDTH_SLACK
from rldg_distill.recordings.foreign.gripper_joints import positions
from rldg_distill.recordings.foreign.resampling import MessageStream
from rldg_distill.recordings.staleness import MAX_AGE

APART = 0.01
"""[m] by which two fingers that one screw moves may differ; beyond it one of them is not measured"""
RANGE_SLACK = 0.1
"""of a stated range, by which a value may lie outside of it"""


@dataclass(frozen=True)
class GripperRange:
    """What a gripper says closed and open: where its width is none, and where it is its whole stroke.

    Raises:
        ValueError: both are the same, or no numbers.
    """

    closed: float
    opened: float

    def __post_init__(self) -> None:
        """Check it."""
        if not np.isfinite([self.opened, self.closed]).all() or self.opened == self.closed:
            raise ValueError(
                f"a gripper cannot be at {self.closed:g} closed and at {self.opened:g} open"
            )

    @classmethod
    def parse(cls, text: str) -> GripperRange:
        """From `CLOSED:OPEN`.

        Raises:
            ValueError: not two different numbers.
        """
        closed, _, opened = text.partition(":")
        try:
            return cls(float(closed), float(opened))
        except ValueError as error:
            raise ValueError(
                f"'{text}' is no range of a gripper: CLOSED:OPEN, two different numbers, as 0.7:0"
            ) from error

    def widths(self, values: np.ndarray, topic: str) -> np.ndarray:
        """(T,) [m] of (T,) values.

        Raises:
            BadBag: one lies outside.
        """
        share = (values - self.closed) / (self.opened - self.closed)
        outside = np.abs(share - 0.5) > 0.5 + RANGE_SLACK
        if outside.any():
            step = int(outside.argmax())
            raise BadBag(
                f"step {step}: {topic} has {values[step]:.4g} for the gripper, outside of the given range "
                f"{self.closed:g}:{self.opened:g}"
            )
        return np.clip(share, 0.0, 1.0) * MAX_GRIPPER_WIDTH + 0.0  # never -0


def widths(
    topic: str, found: Iterable[Any], joints: tuple[str, ...], stated_range: GripperRange | None
) -> np.ndarray:
    """(T,) [m] between the fingers.

    Args:
        topic: for messages.
        found: T messages: GripperState where there are no joints, else JointState.
        joints: whose positions tell it.
        stated_range: what they say closed and open; None: their way in m.

    Raises:
        BadBag: a message tells none, or one beyond the gripper's stroke.
    """
    values = np.array([_said(topic, message, joints) for message in found], np.float64)
    broken = ~np.isfinite(values).all(1)
    if broken.any():
        step = int(broken.argmax())
        raise BadBag(f"step {step}: {topic} has {_listed(values[step])} for the gripper")
    if stated_range:
        return stated_range.widths(values[:, 0], topic)
    apart = np.ptp(values, axis=1)
    stroke = MAX_GRIPPER_WIDTH / values.shape[1]
    beyond = (np.abs(values - stroke / 2) > stroke / 2 + WIDTH_SLACK / values.shape[1]).any(1)
    if beyond.any():
        step = int(beyond.argmax())
        named = f"--gripper-joint {joints[0]} " if joints else ""
        raise BadBag(
            f"step {step}: {topic} has {_listed(values[step])} for the gripper, and its stroke is 0 to {stroke:g} m: "
            f"millimetres, radians or counts? {named}--gripper-range CLOSED:OPEN gives its values closed and open"
        )
    if (apart > APART).any():
        step = int((apart > APART).argmax())
        raise BadBag(
            f"step {step}: {topic} says {_listed(values[step])} m of {' and '.join(joints)}, which move alike. Name "
            f"the one that is measured: --gripper-joint {joints[0]} --gripper-range 0:{stroke:g}"
        )
    return np.asarray(values.sum(1))


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def check_talk(stream: MessageStream, ticks: np.ndarray, joints: tuple[str, ...]) -> None:
    """That a gripper which speaks by the clock never falls silent: what it said last would stand for ever.

    One that speaks only when something changes says something else every time, and seldom.

    Raises:
        BadBag: it falls silent.
    """
    intervals = np.diff(np.sort(stream.times))
    usual = int(np.median(intervals)) if len(intervals) else 0
    if not len(intervals):
        return
    if usual > MAX_AGE:
        said = [_said(stream.topic, m, joints) for m in stream.messages(np.sort(stream.times))]
        if not np.isclose(said[1:], said[:-1], rtol=0.01, atol=1e-4).all(1).any():
            return
    stream.check_ages(ticks, max(MAX_AGE, usual + usual // 2))


def check_asked(topic: str, asked: np.ndarray) -> None:
    """That the widths (N,) [m] which a gripper was asked for are some.

    Raises:
        BadBag: one is no number, or beyond its stroke.
    """
    beyond = ~(np.abs(asked - MAX_GRIPPER_WIDTH / 2) <= MAX_GRIPPER_WIDTH / 2 + WIDTH_SLACK)
    if beyond.any():
        raise BadBag(
            f"{topic} asks the gripper for {asked[beyond][0]:.4g} m, and its stroke is 0 to {MAX_GRIPPER_WIDTH} m: "
            "millimetres or counts?"
        )


def _said(topic: str, message: Any, joints: tuple[str, ...]) -> list[float]:
    return positions(topic, message, joints) if joints else [float(message.width)]
