# SPDX-License-Identifier: Apache-2.0
"""The walks of docs/architecture.md lead through files that are there, through no more than it says, and never back."""

from __future__ import annotations

import re

import pytest
from source_imports import ROOT

WALKS = re.findall(
    r"^An? (?P<thing>\w+) on its way to [^\n]*, (\d+) files:\n\n((?:\d+\. [^\n]*\n(?: +[^\n]*\n)*)+)",
    (ROOT / "docs" / "architecture.md").read_text().partition("## Three walks")[2],
    re.M,
)

MOST = {"action": 7, "image": 11, "reward": 9}
"""files that a reader can be asked to go through"""


def test_there_are_three() -> None:
    assert [thing for thing, *_ in WALKS] == list(MOST)


@pytest.mark.parametrize(("thing", "count", "text"), WALKS, ids=[walk[0] for walk in WALKS])
def test_a_walk_is_as_long_as_it_says(thing: str, count: str, text: str) -> None:
    first = re.findall(r"^\d+\. `([^`]+)`", text, re.M)
    assert len(first) == len(set(first)) == int(count) <= MOST[thing], thing
    assert not re.search(r"\bback\b", text), thing
    for name in re.findall(r"`(rldg_[^`]+\.py)`", text):
        package = name.split("/")[0]
        assert (ROOT / "src" / package / name).is_file(), name
