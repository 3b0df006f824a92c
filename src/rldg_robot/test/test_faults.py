# SPDX-License-Identifier: Apache-2.0
"""Faults around the gate: what happens, and how soon the arm holds. docs/reference/safety.md has the same table."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faults import (
    SECOND,
    Outcome,
    World,
    altered,
    changed,
    crowded,
    guided,
    late,
    outcome_of,
    repeated,
    silent,
    stuck,
    swapped,
)

from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.poses import Pose
from rldg_robot.safety import GateState

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "safety.md"
BEGIN, END = "<!-- faults: written by test_faults.py -->\n", "<!-- end of faults -->\n"
NAN = np.full(3, np.nan)
UNKNOWN = Reason(
    ReasonCode.UNKNOWN_TASK,
    "an episode of 'nobody/knows' began, but the limits given are of connector/vga",
)
PRESSED = Reason(ReasonCode.EMERGENCY_STOP, "emergency stop")


def at(pose: Pose, position: object) -> Pose:
    return replace(pose, position=np.asarray(position, float))


def turned(pose: Pose, quaternion: list[float]) -> Pose:
    """Not made by Pose's own check: as it would come from a message."""
    made = replace(pose)
    object.__setattr__(made, "quaternion", np.array(quaternion))
    return made


def clock(seconds: float) -> Callable[[World], None]:
    return lambda world: setattr(world, "clock_error", round(seconds * SECOND))


FAULTS: dict[str, Callable[[World], None]] = {
    "`current_pose` silent: driver dead or unplugged": silent("state"),
    "`external_wrench` silent": silent("wrench"),
    "wrist image silent: camera unplugged": silent("image"),
    "`policy/target_pose` silent: actor dead or hung": silent("target"),
    "`current_pose` 0.2 s late": late("state", 200),
    "`current_pose` 0.4 s late": late("state", 400),
    "wrist image 0.4 s late": late("image", 400),
    "wrist image 0.6 s late": late("image", 600),
    "targets 0.2 s late": late("target", 200),
    "targets 0.4 s late": late("target", 400),
    "every target twice": repeated("target", 2, 20_000_000),
    "every target a thousand times": repeated("target", 1000),
    "every other target after the next": swapped("target"),
    "states out of order": swapped("state"),
    "the driver says the same state again and again": stuck("state"),
    "the camera says the same image again and again": stuck("image"),
    "target of NaN": changed("target", lambda pose: at(pose, NAN)),
    "target of infinity": changed("target", lambda pose: at(pose, [np.inf, 0, 0])),
    "target with a quaternion of zeros": changed("target", lambda p: turned(p, [0, 0, 0, 0])),
    "target with a quaternion of length 2": changed("target", lambda p: turned(p, [2, 0, 0, 0])),
    "target in another frame": altered("target", frame="world"),
    "target stamped with the year 1970": altered("target", stamp=0),
    "target a metre away": changed("target", lambda pose: at(pose, pose.position + [1, 0, 0])),
    "target below the table": changed("target", lambda pose: at(pose, pose.position - [0, 0, 1])),
    "measured pose of NaN": changed("state", lambda pose: at(pose, NAN)),
    "wrench of NaN": changed("wrench", lambda _: np.full(6, np.nan)),
    "wrench of 100 N": changed("wrench", lambda _: np.array([0, 0, 100.0, 0, 0, 0])),
    "arm guided 0.3 m out of its box": guided([0.36, 0.0, 0.03], [0.0, 0.0, 0.0]),
    "arm turned 1 rad out of its box": guided([0.0, 0.0, 0.03], [0.0, 0.0, 1.15]),
    "arm pushed 10 mm out of its box": guided([0.07, 0.0, 0.03], [0.0, 0.0, 0.0]),
    "second publisher on `target_pose`": crowded("target_pose"),
    "second publisher on `gripper/command`": crowded("gripper/command"),
    "episode of a task that is not among the gate's": lambda world: world.gate.stop(UNKNOWN),
    "emergency stop": lambda world: world.gate.stop(PRESSED),
    "clock of the gate's machine jumps 10 s ahead": clock(10.0),
    "clock of the gate's machine jumps 10 s back": clock(-10.0),
    "clocks 0.1 s apart": clock(0.1),
}


def line_of(outcome: Outcome) -> str:
    """The rest of a fault's line."""
    soon = "goes on" if outcome.periods is None else f"{outcome.periods}"
    what = outcome.state.name + (", clamped" if outcome.clamped else "")
    return f"{what} | {soon} | {outcome.reason or '–'} |"


def test_every_fault_is_answered_as_the_page_says() -> None:
    lines = [
        "| fault | gate | periods until the arm holds | reason it gives |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {line_of(outcome_of(fault))}" for name, fault in FAULTS.items()]
    table = "\n".join(lines) + "\n"
    before, rest = PAGE.read_text().split(BEGIN)
    written, after = rest.split(END)
    if os.environ.get("RLDG_WRITE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}")
    else:
        assert written == table, "run this test with RLDG_WRITE_DOCS=1, and read what changed"


@pytest.mark.parametrize("name", [name for name in FAULTS if "NaN" in name or "infinity" in name])
def test_no_number_that_is_none_moves_the_arm(name: str) -> None:
    outcome = outcome_of(FAULTS[name])
    assert outcome.periods is not None and outcome.periods <= 5, outcome


@pytest.mark.parametrize("name", [name for name in FAULTS if "silent" in name])
def test_after_silence_it_goes_on_by_itself(name: str) -> None:
    world = World()
    world.run(world.time + SECOND)
    FAULTS[name](world)
    world.run(world.time + 2 * SECOND)
    assert world.gate.state is GateState.HOLD
    world.tampers.clear()
    held = world.driven
    world.run(world.time + SECOND)
    assert world.gate.state is GateState.PASS and world.driven is not held
