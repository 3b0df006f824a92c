# SPDX-License-Identifier: Apache-2.0
"""Makes a bag of an earlier revision's message definitions, for `test_earlier_bags`: a few steps, a few kilobytes.

    python make_earlier_bags.py <revision> <folder>

A commit that changes the definition of a recorded message adds a bag of the revision before it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from synthetic_bags import PERIOD, START, UPRIGHT, header, message, pose_message, write_bag

from rldg_core import contract
from rldg_core.bags.bag_reader import decode, raw_messages, read_summary
from rldg_core.contract import RECORDED, TOPICS, Topic
from rldg_core.poses import Pose
from rldg_rl.episodes import bag

FOLDER = "src/rldg_msgs/msg"
STEPS = 4


def types_of(revision: str) -> Typestore:
    """The message types as they were defined at a revision."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name in _git("ls-tree", "--name-only", f"{revision}:{FOLDER}").split():
        text = _git("show", f"{revision}:{FOLDER}/{name}")
        types.update(get_types_from_msg(text, f"rldg_msgs/msg/{Path(name).stem}"))
    store.register(types)
    return store


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], check=True, capture_output=True, text=True).stdout


def small(position: np.ndarray) -> np.ndarray:
    """A picture of one colour per position."""
    return np.full((16, 16, 3), int(position[0] * 1000) % 200, np.uint8)


def also_recorded(stamp: int) -> list[tuple[Topic, Any]]:
    """What `write_bag` leaves out, at one state."""
    away = pose_message(Pose(np.array([0.0, 0.0, 0.01]), UPRIGHT))
    fields: dict[Topic, dict[str, Any]] = {
        contract.TASK_STATE: {"goal": away, "offset": away, "progress": 0.25, "gripper": -1.0},
        contract.SAFETY_STATE: {"state": 1, "reason": "the arm is silent", "clamped": 3},
        contract.GRIPPER_COMMAND: {"width": 0.0, "speed": 0.1, "force": 20.0},
        contract.ANSWER: {"yes": True},
    }
    return [(t, message(t.type, header=header(stamp), **fields[t])) for t in fields]


def make(revision: str, folder: Path) -> None:
    """Write the bag of a revision."""
    store = types_of(revision)
    recorded = tuple(topic for topic in RECORDED if topic.type in store.fielddefs)
    with TemporaryDirectory() as place:
        today = write_bag(Path(place, "policy_00000"), steps=STEPS, camera=small)
        spoken = [
            (time, TOPICS[name], decode(TOPICS[name], cdr))
            for name, _, time, cdr in raw_messages(today)
        ]
        summary = read_summary(today)
    for stamp in range(START, START + (STEPS + 1) * PERIOD, PERIOD):
        spoken += [(stamp, topic, content) for topic, content in also_recorded(stamp)]
    with patch.multiple(bag, typestore=lambda: store, RECORDED=recorded):
        writer = bag.BagWriter(folder / revision / today.name)
        for time, topic, content in sorted(spoken, key=lambda entry: entry[0]):
            if topic in recorded:
                writer.write(topic.name, time, bytes(store.serialize_cdr(content, topic.type)))
        writer.close(summary)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
