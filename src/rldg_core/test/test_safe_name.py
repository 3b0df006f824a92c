# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rldg_core.files.safe_name import UnsafeName, check_name, check_path, is_too_long

GOOD = ("first", "policy_00012", "0.3-b", "lr=0.1,seed=2", "_x", "a" * 150)
BAD = (
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "../x",
    "/abs",
    "a\\b",
    "a b",
    "a\n",
    "-rf",
    "a\0",
    "ä",
    "~",
    "$x",
    "a" * 151,
)


@pytest.mark.parametrize("name", GOOD)
def test_good_names_come_back(name: str) -> None:
    assert check_name(name, "a run's name") == name


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused_with_what_they_name(name: str) -> None:
    with pytest.raises(UnsafeName, match="a run's name cannot be"):
        check_name(name, "a run's name")


def test_a_path_of_names() -> None:
    assert check_path("fig4/students/a", "a student") == Path("fig4/students/a")
    for bad in ("", "/a", "a/", "a//b", "a/../b", "../a"):
        with pytest.raises(UnsafeName):
            check_path(bad, "a student")


def test_paths_that_no_file_system_takes() -> None:
    assert not is_too_long("runs/first") and not is_too_long("/".join(["a" * 255] * 15))
    assert is_too_long("a" * 256) and is_too_long("x/" + "ä" * 128) and is_too_long("a/" * 4000)
    assert not is_too_long("\ud800")
