# SPDX-License-Identifier: Apache-2.0
"""What is said of a camera whose pictures cannot be used, are of another time, or cannot be heard."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_core import contract
from rldg_core.image_contract import ImageContract
from rldg_core.message_values import SECOND, time_span
from rldg_core.user_error import UserError
from rldg_robot.camera.watch import CameraWatch
from rldg_robot.doctor.finding import CheckStatus
from rldg_robot.doctor.stream_check import TopicArrivals, alignment_finding, stream_finding


def watched(ahead: float) -> CameraWatch:
    watch = CameraWatch()
    for arrival in np.arange(0.0, 4.0, 1 / 30):
        watch.arrived(arrival + ahead, arrival)
    return watch


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (3600.0, "from the future, 1.0 h ahead of this machine's clock"),
        (3.0, "from the future, 3.0 s ahead of this machine's clock"),
        (-3.0, "the last image is 3.0 s old"),
        (-7200.0, "stamped 2.0 h behind this machine's clock"),
        (-1.796e9, "stamped 20787 days behind this machine's clock"),
    ],
)
def test_a_clock_that_is_off_is_reported_in_words(ahead: float, said: str) -> None:
    status = watched(ahead).report(4.0)
    assert not status.ok and said in status.message and "-" not in status.message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.5, "0.5 s"), (-3.0, "-3.0 s"), (180, "3.0 min"), (3600, "1.0 h"), (20 * 86_400, "20 days")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert time_span(seconds) == words


def test_a_dropped_picture_is_reported_until_it_is_long_ago() -> None:
    watch = watched(0.0)
    watch.dropped("it is cut short", 3.9)
    status = watch.report(4.0)
    assert not status.ok and status.message.startswith("it is cut short (1 of 60 ")
    for arrival in np.arange(4.0, 7.0, 1 / 30):
        watch.arrived(arrival, arrival)
    assert watch.report(7.0).ok


def stream(age: float) -> TopicArrivals:
    made = TopicArrivals()
    for arrival in range(0, 2000, 10):
        made.add(arrival * SECOND // 1000, arrival * SECOND // 1000 - int(age * SECOND))
    return made


def test_the_doctor_names_who_cannot_be_heard_and_whose_clock_is_off() -> None:
    deaf = ["usb_cam offers wrist_camera/color/image_raw by best effort, and reliable is asked for"]
    span = (0, 2 * SECOND)
    found = stream_finding(contract.WRIST_IMAGE, TopicArrivals(), 1, span, deaf)
    assert found.status is CheckStatus.BAD and "usb_cam offers" in found.found
    early = stream_finding(contract.WRIST_IMAGE, stream(-3600.0), 1, span)
    assert "stamped 1.0 h ahead of this machine's clock" in early.found and "-" not in early.found
    apart = alignment_finding(stream(-3600.0), stream(0.0), 0.1)
    assert apart.found == "image 1.0 h ahead of the pose"


def test_image_contracts_as_they_are_stored() -> None:
    wide = ImageContract.centred(1280, 720)
    assert wide.crop == "1280x720:280,0,720,720" and ImageContract.stored(str(wide)) == wide
    assert ImageContract.stored("") is None
    for bad in (
        "2:640x480:80,0,480,480:128",
        "1:640x480:80,0,480,480:0",
        "1:x",
        "1:9x9:0,0,9,9:99999",
    ):
        with pytest.raises(UserError):
            ImageContract.stored(bad)
