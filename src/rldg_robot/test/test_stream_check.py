# SPDX-License-Identifier: Apache-2.0
"""What is said of streams of the robot contract."""

from __future__ import annotations

import re

import pytest

from rldg_core import contract
from rldg_core.message_values import SECOND
from rldg_robot.doctor.finding import CheckStatus
from rldg_robot.doctor.stream_check import TopicArrivals, alignment_finding, stream_finding

MS = SECOND // 1000
SPAN = (0, 2 * SECOND)


def stream(every: int = 10, age: int = 2) -> TopicArrivals:
    """Messages every so many ms over SPAN, so many ms old."""
    made = TopicArrivals()
    for arrival in range(0, 2000, every):
        made.add(arrival * MS, (arrival - age) * MS)
    return made


def test_a_stream_as_it_should_be() -> None:
    finding = stream_finding(contract.CURRENT_POSE, stream(), 1, SPAN)
    assert finding.status is CheckStatus.GOOD and not finding.fix
    assert finding.found == "100 Hz, 2 ms old at arrival, longest gap 10 ms"


def stalled() -> TopicArrivals:
    made = TopicArrivals()
    for arrival in (*range(0, 800, 10), *range(1000, 2000, 10)):
        made.add(arrival * MS, arrival * MS)
    return made


def frozen() -> TopicArrivals:
    made = stream()
    made.stamps = [made.stamps[0]] * len(made.stamps)
    return made


@pytest.mark.parametrize(
    ("heard", "publishers", "found", "fix"),
    [
        (TopicArrivals(), 0, "no node publishes it", "start the driver"),
        (TopicArrivals(), 1, "nothing of it arrives", "both must discover each other"),
        (stream(), 2, "has 2 publishers", "leave one of them"),
        (stream(every=25), 1, "40 Hz, .*; 50 Hz are needed", "raise the rate of the driver"),
        (stream(age=-50), 1, "from the future", "clocks of two machines differ"),
        (stream(age=150), 1, "too old to act on", "chrony"),
        (stalled(), 1, "longest gap 210 ms; 125 ms are bearable", "the gate would soon hold"),
        (frozen(), 1, "stamps do not move on", "repeats itself"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(
    heard: TopicArrivals, publishers: int, found: str, fix: str
) -> None:
    finding = stream_finding(contract.CURRENT_POSE, heard, publishers, SPAN)
    assert finding.status is CheckStatus.BAD
    assert re.search(found, finding.found), finding.found
    assert fix in finding.fix


def test_a_stream_that_ends_has_a_gap_to_the_end() -> None:
    heard = stream()
    del heard.arrivals[150:], heard.stamps[150:]
    finding = stream_finding(contract.CURRENT_POSE, heard, 1, SPAN)
    assert finding.status is CheckStatus.BAD and "longest gap 510 ms" in finding.found


def test_image_and_pose_of_one_moment_come_together() -> None:
    assert alignment_finding(stream(30, 40), stream(), 0.1).status is CheckStatus.GOOD
    late = alignment_finding(stream(30, 90), stream(), 0.1)
    assert late.status is CheckStatus.BAD and late.found == "image 88 ms behind the pose"
