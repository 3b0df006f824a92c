# SPDX-License-Identifier: Apache-2.0
"""A space says which number of another one is not its own, and is none where it cannot be."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from rldg_core.arm_spaces import ACTION, ARM
from rldg_core.files.checked_file import FormatError, parse_json
from rldg_core.space import MOST, Space, Spaces

PUCK = Space(("push_x [m]", "push_y [m]", "magnet [1 on, 0 off]"), (0.1, 0.1, 1.0), switches=1)


def test_of_an_arm() -> None:
    assert (len(ARM.action), ARM.action.motions, ARM.action.switches) == (7, 6, 1)
    assert (len(ARM.state), ARM.state.motions) == (19, 19)
    assert ARM.action.names == ACTION and set(ARM.action.unit) == {1.0}


def test_survives_a_file() -> None:
    for space in (PUCK, ARM.action, ARM.state):
        assert parse_json(json.dumps(asdict(space)), Space, "the file") == space
    both = Spaces(PUCK, Space.of("x [m]"))
    assert parse_json(json.dumps(asdict(both)), Spaces, "the file") == both


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (PUCK, ""),
        (
            replace(PUCK, names=("push_x [m]", "push_z [m]", "magnet [1 on, 0 off]")),
            "number 1 is 'push_z [m]', and here 'push_y [m]'",
        ),
        (
            Space(PUCK.names[:2], PUCK.unit[:2]),
            "number 2 is missing, and here 'magnet [1 on, 0 off]'",
        ),
        (
            Space((*PUCK.names, "turn [rad]"), (*PUCK.unit, 1.0)),
            "number 3 is 'turn [rad]', and here missing",
        ),
        (replace(PUCK, unit=(0.1, 0.2, 1.0)), "1.0 of 'push_y [m]' is 0.2, and here 0.1"),
        (
            replace(PUCK, switches=0),
            "its last 0 numbers are switches, and here the last 1",
        ),
    ],
)
def test_which_number_differs(other: Space, said: str) -> None:
    assert PUCK.difference(other) == said


def test_which_of_a_pair_differs() -> None:
    other = Spaces(ARM.action, Space.of("x [m]"))
    assert ARM.difference(ARM) == ""
    assert ARM.difference(other) == "state: number 0 is 'x [m]', and here 'tcp_x [m]'"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"names": (), "unit": ()}, f"1 to {MOST} numbers, not 0"),
        ({"names": ("a", "a", "b")}, "2 numbers are called 'a'"),
        ({"names": ("a", " ", "b")}, "' ' is no name"),
        ({"names": ("a", "b\x1b[2J", "c")}, "is no name"),
        ({"unit": (1.0, 1.0)}, "3 names have 2 units"),
        ({"unit": (1.0, 0.0, 1.0)}, "1.0 of 'push_y [m]' cannot be 0.0"),
        ({"unit": (1.0, float("nan"), 1.0)}, "cannot be nan"),
        ({"switches": 4}, "4 of 3 numbers cannot be switches"),
        ({"switches": -1}, "-1 of 3 numbers cannot be switches"),
        ({"names": tuple(map(str, range(MOST + 1)))}, f"not {MOST + 1}"),
    ],
)
def test_what_cannot_be_a_space(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError) as refusal:
        replace(PUCK, **changes)  # type: ignore[arg-type]
    assert why in str(refusal.value)


def test_a_damaged_file_says_why() -> None:
    content = json.dumps(asdict(PUCK) | {"switches": 9})
    with pytest.raises(FormatError, match="9 of 3 numbers cannot be switches"):
        parse_json(content, Space, "the file")
