# SPDX-License-Identifier: Apache-2.0
"""The vocabulary's numbers and words are those of the messages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory

from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source

MESSAGES = Path(get_package_share_directory("rldg_msgs"), "msg")


def constants(message: str) -> dict[str, int]:
    """What a message file names, by name."""
    text = (MESSAGES / f"{message}.msg").read_text()
    return {name: int(value) for name, value in re.findall(r"^uint8 ([A-Z]+)=(\d+)", text, re.M)}


def test_numbers_are_those_of_the_messages() -> None:
    assert constants("Step") == {who.name: int(who) for who in ExecutedBy}
    assert constants("Episode") == {status.name: status.number for status in EpisodeStatus}


def test_numbers_never_change() -> None:
    """Recorded bags and datasets hold them."""
    assert [int(who) for who in ExecutedBy] == [0, 1, 2, 3, 4]
    assert [status.number for status in EpisodeStatus] == [0, 1, 2, 3]
    assert [EpisodeStatus.of(number) for number in range(4)] == list(EpisodeStatus)
    for number in (-1, 4):
        with pytest.raises(ValueError, match="is no status"):
            EpisodeStatus.of(number)


def test_words_are_stored_as_plain_text() -> None:
    words = [*EpisodeStatus, *Source]
    assert json.loads(json.dumps(words)) == [str(word) for word in words]
    assert f"{Source.POLICY}_{3:05d}" == "policy_00003"
    assert json.dumps(EpisodeStatus.SUCCESS) == '"success"'
    assert ExecutedBy.DEMONSTRATION.word == "demonstration"


def test_episode_message_names_every_source_that_is_published() -> None:
    line = re.search(r"^string source .*$", (MESSAGES / "Episode.msg").read_text(), re.M)
    assert line is not None
    assert all(source in line[0] for source in Source if source is not Source.RECORDED)


def test_an_episode_left_open_was_aborted() -> None:
    closed = {status: status.closed for status in EpisodeStatus}
    assert closed.pop(EpisodeStatus.OPEN) is EpisodeStatus.ABORTED
    assert all(before is after for before, after in closed.items())
