# SPDX-License-Identifier: Apache-2.0
"""Whether a stream of stamped messages is fit to act on: its rate, its gaps, its age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rldg_core import contract
from rldg_core.contract import Topic
from rldg_core.message_values import SECOND, time_span
from rldg_robot.doctor.finding import Finding, bad, good
from rldg_robot.safety import StreamTimeouts

OLD, EARLY = 0.1, -0.02
"""[s] of age at arrival beyond which a message is old, or from the future"""


@dataclass(frozen=True)
class Wanted:
    """What a stream has to keep to."""

    rate: float
    """[Hz] at least"""
    gap: float
    """[s] between two messages at most: half of what the gate bears"""
    who: str
    """that publishes it"""


_STATE = Wanted(50.0, StreamTimeouts.state / 2, "the driver")
_SEEN = Wanted(20.0, StreamTimeouts.camera / 2, "the camera")
WANTED: dict[Topic, Wanted] = {
    contract.CURRENT_POSE: _STATE,
    contract.CURRENT_TWIST: _STATE,
    contract.EXTERNAL_WRENCH: _STATE,
    contract.JOINT_STATES: _STATE,
    contract.TASK_STATE: _STATE,
    contract.GRIPPER_STATE: Wanted(20.0, StreamTimeouts.camera / 2, "the driver"),
    contract.WRIST_IMAGE: _SEEN,
}
"""A step at 10 Hz takes a state of its moment, and an image and a gripper's state of the last half period."""


@dataclass
class TopicArrivals:
    """What came of a topic."""

    arrivals: list[int] = field(default_factory=list)
    """[ns] of the listener's clock"""
    stamps: list[int] = field(default_factory=list)
    """[ns]"""

    def add(self, arrival: int, stamp: int) -> None:
        """A message came."""
        self.arrivals.append(arrival)
        self.stamps.append(stamp)

    @property
    def age(self) -> float:
        """[s] median at arrival."""
        return float(np.median(np.subtract(self.arrivals, self.stamps))) / SECOND


def stream_finding(
    topic: Topic,
    stream: TopicArrivals,
    publishers: int,
    span: tuple[int, int],
    unheard: Sequence[str] = (),
) -> Finding:
    """Judge a topic.

    Args:
        topic: one of WANTED.
        stream: what came of it.
        publishers: of it, now.
        span: [ns] of the listener's clock, first and last moment of listening.
        unheard: what is known of publishers that cannot be heard.
    """
    wanted, name = WANTED[topic], topic.name
    if not stream.arrivals and not publishers:
        fix = f"start {wanted.who}; look at its remappings with `ros2 topic list`"
        return bad(name, "no node publishes it", fix)
    if len(stream.arrivals) < 2 and unheard:
        fix = f"every node of a stack asks for this quality of service: change that of {wanted.who}"
        return bad(name, f"nothing of it arrives: {'; '.join(unheard)}", fix)
    if len(stream.arrivals) < 2:
        kind = "reliable" if topic.reliable else "best effort"
        fix = (
            f"its publisher must be {'reliable' if topic.reliable else 'of any reliability'} (this end is {kind}); on "
            "another machine, both must discover each other; large messages get lost in Fast DDS's default profile"
        )
        return bad(name, f"has {publishers} publisher(s), but nothing of it arrives", fix)
    if publishers > 1:
        return bad(name, f"has {publishers} publishers", f"leave one of them: {wanted.who}")
    rate = len(stream.arrivals) / (span[1] - span[0]) * SECOND
    gap = float(np.diff([*stream.arrivals, span[1]]).max()) / SECOND
    found = f"{rate:.0f} Hz, {_age(stream.age)}, longest gap {1e3 * gap:.0f} ms"
    if (np.diff(stream.stamps) <= 0).any():
        return bad(
            name, f"{found}; its stamps do not move on", f"{wanted.who} repeats itself: restart it"
        )
    if stream.age < EARLY:
        fix = "the clocks of two machines differ: let chrony of one follow the other"
        return bad(name, f"{found}: from the future", fix)
    if stream.age > OLD:
        fix = "the clocks of two machines differ (chrony), or the network or this machine is overloaded"
        return bad(name, f"{found}: too old to act on", fix)
    if rate < wanted.rate:
        fix = f"raise the rate of {wanted.who}, or look at what else this machine does"
        return bad(name, f"{found}; {wanted.rate:.0f} Hz are needed", fix)
    if gap > wanted.gap:
        fix = "the gate would soon hold the arm: find what stalls this machine or the network"
        return bad(name, f"{found}; {1e3 * wanted.gap:.0f} ms are bearable", fix)
    return good(name, found)


def _age(seconds: float) -> str:
    if seconds < EARLY:
        return f"stamped {_brief(-seconds)} ahead of this machine's clock"
    return f"{_brief(seconds)} old at arrival"


def _brief(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if seconds < 10.0 else time_span(seconds)


def alignment_finding(images: TopicArrivals, poses: TopicArrivals, period: float) -> Finding:
    """How far apart image and pose of one moment come: `period` [s] of control."""
    late = images.age - poses.age
    found = f"image {_brief(abs(late))} {'behind' if late >= 0 else 'ahead of'} the pose"
    if abs(late) > period / 2:
        fix = (
            "run the sensor at 60 Hz without depth, on the machine that crops; look at both clocks"
        )
        return bad("camera against arm", found, fix)
    return good("camera against arm", found)
