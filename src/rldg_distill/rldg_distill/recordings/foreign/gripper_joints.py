# SPDX-License-Identifier: Apache-2.0
"""Which joints of a bag tell a gripper's width: Franka's hand is known, of all others a person says it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rldg_core.bags.bag_reader import decode
from rldg_core.contract import JOINT_STATES
from rldg_core.message_values import SECOND
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.bag_storage import messages

GRIPPER = re.compile(rb"finger|gripper|knuckle|jaw", re.IGNORECASE)
"""in the names of joints that may be a gripper's"""
HAND = re.compile(r"(.*)finger_joint([12])", re.IGNORECASE)
"""the two fingers of Franka's hand, of which each tells its way [m] from the middle: the one gripper known by name"""


def positions(topic: str, message: Any, joints: tuple[str, ...]) -> list[float]:
    """What a JointState says of some of its joints.

    Raises:
        BadBag: it has no position for every joint.
    """
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
        BadBag: the named joint is not there, or some other gripper is, of which it is not stated what it measures.
    """
    if named:
        if any(names_all(cdr, [named]) for _, _, cdr in messages(path, [topic])):
            return (named,)
        there = joint_names(path, topic)
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


def joint_names(path: Path, topic: str) -> list[str]:
    """Every joint of a topic of JointState."""
    return sorted({name for _, _, cdr in messages(path, [topic]) for name in _names(cdr)})


def _names(cdr: bytes) -> tuple[str, ...]:
    return tuple(decode(JOINT_STATES, cdr).name)


def _fingers(path: Path, topic: str) -> set[tuple[str, ...]]:
    """The joints of a gripper in every message, of those within a second of the first that has some."""
    groups: set[tuple[str, ...]] = set()
    first = None
    for _, time, cdr in messages(path, [topic]):
        # An arm speaks a thousand times a second: most messages are passed over without a look at their names.
        names = _names(cdr) if GRIPPER.search(cdr) else ()
        if fingers := tuple(sorted(name for name in names if GRIPPER.search(name.encode()))):
            first = time if first is None else first
            groups.add(fingers)
        if first is not None and time - first > SECOND:
            break
    return groups


def _question(path: Path, topic: str, joints: list[str]) -> str:
    """What only a person knows, with what the bag says."""
    joint = joints[0]
    said = [
        positions(topic, decode(JOINT_STATES, cdr), (joint,))[0]
        for _, _, cdr in messages(path, [topic])
        if names_all(cdr, [joint])
    ]
    return (
        f"has {', '.join(joints)} on {topic}, and a name does not say what a joint measures. Name one that measures "
        f"the gripper's width, and its values with the gripper closed and open: --gripper-joint {joint} "
        f"--gripper-range CLOSED:OPEN, as 0.7:0. Here {joint} is {min(said):.4g} to {max(said):.4g}"
    )
