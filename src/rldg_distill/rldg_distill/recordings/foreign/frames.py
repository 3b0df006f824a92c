# SPDX-License-Identifier: Apache-2.0
"""The frames that the streams of a bag name, compared: the names are free, but they must agree.

An empty name says nothing, so nothing is held against it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rldg_core.contract import (
    CURRENT_POSE,
    CURRENT_TWIST,
    EXTERNAL_WRENCH,
    POLICY_TARGET_POSE,
    TARGET_POSE,
)
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.foreign.foreign_bag import MOTION
from rldg_distill.recordings.foreign.resampling import MessageStream

TARGETS = (POLICY_TARGET_POSE.name, TARGET_POSE.name)
FRAMED = (CURRENT_POSE.name, CURRENT_TWIST.name, EXTERNAL_WRENCH.name, *TARGETS)


def check_frames(parts: Mapping[str, MessageStream]) -> None:
    """That a bag's poses, targets, twists and wrenches fit together.

    Args:
        parts: streams by the contract's names.

    Raises:
        BadBag: one changes its frame, or two are not in the frames that they need.
    """
    frames: dict[str, str] = {}
    for name in FRAMED:
        if name in parts and parts[name].frames:
            if len(parts[name].frames) > 1:
                listed = ", ".join(sorted(parts[name].frames))
                raise BadBag(
                    f"{parts[name].topic} is in several frames: {listed}. Two sources on one topic? Record one of them"
                )
            frames[name] = next(iter(parts[name].frames))
    base = frames.get(CURRENT_POSE.name)
    if base is None:
        return
    for name in (*TARGETS, CURRENT_TWIST.name):
        if name in frames and frames[name] != base:
            fix = (
                f"Take what was done instead: --recorded action={MOTION}"
                if name in TARGETS
                else "Give another (--topic), or drop it with `ros2 bag convert`"
            )
            raise BadBag(
                f"{parts[name].topic} is in the frame {frames[name]}, {parts[CURRENT_POSE.name].topic} in {base}. {fix}"
            )
    if frames.get(EXTERNAL_WRENCH.name) == base:
        raise BadBag(
            f"{parts[EXTERNAL_WRENCH.name].topic} is in the frame {base}, as the pose, and should be in the TCP's. "
            "Give another (--topic), or drop it with `ros2 bag convert`"
        )
