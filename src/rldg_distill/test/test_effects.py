# SPDX-License-Identifier: Apache-2.0
"""Every option of `convert` meets a bag that it changes something for, or is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_core.commands.command_line import UsageError
from rldg_distill.conversion.effects import check_options_have_effect
from rldg_distill.conversion.options import Options
from rldg_distill.recordings.foreign.foreign_bag import ForeignBag, StatedFacts
from rldg_distill.recordings.selection import BagDescription, Filters


def recording(task: str = "connector/vga", pose: str = "current_pose") -> ForeignBag:
    stated = StatedFacts(task=task, action="motion")
    return ForeignBag(stated, {"current_pose": pose}, "insert it", 0, (0, 1))


VGA, HDMI = recording(pose="arm/pose"), recording("connector/hdmi")


@pytest.mark.parametrize(
    ("filters", "stated", "said"),
    [
        (
            Filters(tasks=("connector/vga", "connector/xlr")),
            StatedFacts(),
            "--task connector/xlr has no",
        ),
        (
            Filters(sources=("recorded", "policy")),
            StatedFacts(),
            "they are of recorded. Leave it out",
        ),
        (Filters(statuses=("success", "failure")), StatedFacts(), "--status failure has no effect"),
        (Filters(), StatedFacts(task="connector/usb_a"), "every bag states another value itself"),
        (
            Filters(),
            StatedFacts(topics={"current_pose": "nowhere"}),
            "--topic current_pose=nowhere has",
        ),
        (Filters(), StatedFacts(topics={"spacenav/joy": "joy"}), "spacenav/joy plays no part"),
    ],
)
def test_what_applies_to_no_bag_is_refused(
    filters: Filters, stated: StatedFacts, said: str
) -> None:
    options = Options(Path("data/a"), filters=filters, stated=stated)
    bags: list[BagDescription] = [VGA, HDMI]
    with pytest.raises(UsageError, match=said):
        check_options_have_effect(options, bags, [VGA, HDMI])


def test_what_meets_one_bag_of_several_is_fine() -> None:
    filters = Filters(sources=("recorded",), tasks=("connector/vga", "connector"))
    stated = StatedFacts(task="connector/vga", topics={"current_pose": "arm/pose"})
    check_options_have_effect(
        Options(Path("data/a"), filters=filters, stated=stated), [VGA, HDMI], [VGA, HDMI]
    )


def test_facts_are_about_bags_made_elsewhere() -> None:
    for stated in (StatedFacts(status="failure"), StatedFacts(topics={"current_pose": "arm/pose"})):
        with pytest.raises(UsageError, match="about bags made elsewhere, and none is"):
            check_options_have_effect(Options(Path("data/a"), stated=stated), [VGA], [])
