# SPDX-License-Identifier: Apache-2.0
"""How far a gripper is open, from its joints or from a width.

Nothing is believed on a name, and what is said lies within the gripper's stroke.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rldg_distill.datasets.episode import BadBag
from rldg_distill.datasets.plausibility import WIDTH_SLACK
from rldg_distill.recordings.bag_storage import messages
from rldg_robot.bag_reader import decode
from rldg_robot.contract import JOINT_STATES
from rldg_robot.message_values import SECOND
from rldg_robot.safety import MAX_GRIPPER_WIDTH

FINGER = b"finger"
"""in the names of joints that may be a gripper's"""
HAND = re.compile(r"(.*)finger_joint([12])", re.IGNORECASE)
"""the two fingers of Franka's hand, of which each tells its way [m] from the middle: the one gripper known by name"""
APART = 0.01
"""[m] by which two fingers that one screw moves may differ; beyond it one of them is not measured"""
RANGE_SLACK = 0.1
"""of a range that was told, by which a value may lie outside of it"""
HOW = "--gripper-range OPEN:CLOSED tells what is said with it open and with it closed, as 0:0.7"


@dataclass(frozen=True)
class GripperRange:
    """What a gripper says open and closed.

    Raises:
        ValueError: both are the same, or no numbers.
    """

    opened: float
    closed: float

    def __post_init__(self) -> None:
        """Check it."""
        if not np.isfinite([self.opened, self.closed]).all() or self.opened == self.closed:
            raise ValueError(f"a gripper that says {self.opened:g} open and {self.closed:g} closed")

    @classmethod
    def parse(cls, text: str) -> GripperRange:
        """From `OPEN:CLOSED`.

        Raises:
            ValueError: not two different numbers.
        """
        opened, _, closed = text.partition(":")
        try:
            return cls(float(opened), float(closed))
        except ValueError as error:
            raise ValueError(
                f"'{text}' is no range of a gripper: OPEN:CLOSED, two different numbers, as 0:0.7"
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
                f"step {step}: {topic} says {values[step]:.4g} of the gripper, outside of the range "
                f"{self.opened:g}:{self.closed:g} that was told"
            )
        return np.clip(share, 0.0, 1.0) * MAX_GRIPPER_WIDTH + 0.0  # never -0


def widths(
    topic: str, found: Iterable[Any], joints: tuple[str, ...], told: GripperRange | None
) -> np.ndarray:
    """(T,) [m] between the fingers.

    Args:
        topic: for messages.
        found: T messages: GripperState where there are no joints, else JointState.
        joints: whose positions tell it.
        told: what they say open and closed; None: their way in m.

    Raises:
        BadBag: a message tells none, or one beyond the gripper's stroke.
    """
    values = np.array(
        [_positions(topic, m, joints) if joints else [float(m.width)] for m in found], np.float64
    )
    broken = ~np.isfinite(values).all(1)
    if broken.any():
        step = int(broken.argmax())
        raise BadBag(f"step {step}: {topic} says {_listed(values[step])} of the gripper")
    if told:
        return told.widths(values.mean(1), topic)
    apart = np.ptp(values, axis=1)
    stroke = MAX_GRIPPER_WIDTH / values.shape[1]
    beyond = (np.abs(values - stroke / 2) > stroke / 2 + WIDTH_SLACK / values.shape[1]).any(1)
    if beyond.any():
        step = int(beyond.argmax())
        raise BadBag(
            f"step {step}: {topic} says {_listed(values[step])} of the gripper, and its stroke is 0 to {stroke:g} m: "
            f"millimetres, radians or counts? {HOW}"
        )
    if (apart > APART).any():
        step = int((apart > APART).argmax())
        raise BadBag(
            f"step {step}: {topic} says {_listed(values[step])} m of {' and '.join(joints)}, which move alike. Name "
            f"the one that is measured: --gripper-joint {joints[0]} --gripper-range {stroke:g}:0"
        )
    return np.asarray(values.sum(1))


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


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


def _positions(topic: str, message: Any, joints: tuple[str, ...]) -> list[float]:
    names = list(message.name)
    if len(message.position) != len(names):
        raise BadBag(f"{topic} has {len(names)} joints and {len(message.position)} positions")
    return [float(message.position[names.index(joint)]) for joint in joints]


def names_all(cdr: bytes, joints: Iterable[str]) -> bool:
    """Whether a serialised JointState has all of some joints; an arm publishes a thousand of them a second."""
    order = "<I" if cdr[1] & 1 else ">I"
    names = [joint.encode() + b"\0" for joint in joints]
    return all(struct.pack(order, len(name)) + name in cdr for name in names)


def gripper_joints(path: Path, topic: str, named: str) -> tuple[str, ...]:
    """The joints of a topic that tell a gripper's width; none where no joint looks like a gripper's.

    Args:
        path: the bag's folder.
        topic: of JointState.
        named: the joint that the user named; empty: the two of Franka's hand.

    Raises:
        BadBag: the named joint is not there, or some other gripper is, of which nobody said what it measures.
    """
    if named:
        if any(names_all(cdr, [named]) for _, _, cdr in messages(path, [topic])):
            return (named,)
        there = sorted({n for _, _, cdr in messages(path, [topic]) for n in _names(cdr)})
        alike = next((name for name in there if name.casefold() == named.casefold()), None)
        meant = f"It is spelt {alike}" if alike else f"There are: {', '.join(there) or 'none'}"
        raise BadBag(f"has no joint {named} on {topic}. {meant}")
    groups = _fingers(path, topic)
    every = sorted({name for group in groups for name in group})
    if not every:
        return ()
    halves = [HAND.fullmatch(name) for name in every]
    sides = [(half[1], half[2]) for half in halves if half]
    if tuple(every) in groups and len(every) == len(sides) == 2 and sides[0][0] == sides[1][0]:
        return tuple(every)
    raise BadBag(_question(path, topic, every))


def _names(cdr: bytes) -> tuple[str, ...]:
    return tuple(decode(JOINT_STATES, cdr).name)


def _fingers(path: Path, topic: str) -> set[tuple[str, ...]]:
    """The fingers of every message, of those within a second of the first that has some."""
    groups: set[tuple[str, ...]] = set()
    first = None
    for _, time, cdr in messages(path, [topic]):
        if FINGER in cdr.lower():
            first = time if first is None else first
            fingers = (name for name in _names(cdr) if FINGER in name.lower().encode())
            groups.add(tuple(sorted(fingers)))
        if first is not None and time - first > SECOND:
            break
    return groups


def _question(path: Path, topic: str, joints: list[str]) -> str:
    """What only a person knows, with what the bag says."""
    joint = joints[0]
    said = [
        _positions(topic, decode(JOINT_STATES, cdr), (joint,))[0]
        for _, _, cdr in messages(path, [topic])
        if names_all(cdr, [joint])
    ]
    return (
        f"has {', '.join(joints)} on {topic}, and a name does not say what a joint measures. Name one that tells the "
        f"gripper's width, and what it says with the gripper open and closed: --gripper-joint {joint} "
        f"--gripper-range OPEN:CLOSED, as 0:0.7. Here {joint} says {min(said):.4g} to {max(said):.4g}"
    )
