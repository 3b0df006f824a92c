# SPDX-License-Identifier: Apache-2.0
"""Where a robot's stop is kept, and what a start says of one that was not released."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

from rldg_bringup.arguments import Values
from rldg_bringup.bodies import is_arm, simulated
from rldg_core.run_paths import RunPaths

STATE = Path(".local/state/rldg/stopped")
"""in the home of whoever starts stacks on this machine, whatever the environment says of it"""
RELEASE = "When it is safe: ./rldg run rldg_robot gate reset"
LONGEST = 1000  # letters that are repeated


def is_real_arm(values: Values) -> bool:
    """Whether the robot is a real arm, which is the same in every run."""
    return is_arm(values) and not simulated(values)


def stop_file(values: Values) -> Path:
    """The robot's file (`rldg_core.stop_memory`): an arm's by its address, a simulated one's in its run."""
    if not is_real_arm(values):
        return RunPaths(Path(str(values["run"]))).gate_stop
    address = re.sub(r"[^A-Za-z0-9.-]", "_", str(values["robot_ip"]).lower())
    return _home() / STATE / f"{address}.json"


def _home() -> Path:
    """Of whoever starts stacks here; a user without one, as in containers, gets a place that outlives a start."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/var/tmp", f"rldg-{os.getuid()}")


def standing_stop(values: Values) -> str:
    """What to tell where the robot is stopped from an earlier start; empty: it is not."""
    # Help about a stack does not wait for what this imports.
    from rldg_core.stop_memory import UNREADABLE, stop_in  # noqa: PLC0415

    file = stop_file(values)
    stop = stop_in(file)
    if stop is None or not stop.lasts:
        return ""
    if stop == UNREADABLE:
        message = f"the robot is stopped from an earlier start, and {file} cannot be read"
    else:
        message = f"the robot is stopped since {stop.since}: {stop.reason}"
    return f"{''.join(c if c.isprintable() else '?' for c in message[:LONGEST])}. {RELEASE}"
