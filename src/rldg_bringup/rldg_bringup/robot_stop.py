# SPDX-License-Identifier: Apache-2.0
"""Where a robot's stop is kept, and what a start says of one that nobody has released."""

from __future__ import annotations

import json
import os
import pwd
import re
from pathlib import Path

from rldg_bringup.arguments import Values
from rldg_bringup.bodies import is_arm, simulated

STATE = Path(".local/state/rldg/stopped")
"""in the home of whoever starts stacks on this machine, whatever the environment says of it"""
RELEASE = "When it is safe: ./rldg run rldg_robot gate reset"
LONGEST = 1000  # letters that are repeated


def is_real_arm(values: Values) -> bool:
    """Whether the robot is a real arm, which is the same in every run."""
    return is_arm(values) and not simulated(values)


def stop_file(values: Values) -> Path:
    """The robot's file (`rldg_robot.stop_memory`): an arm's by its address, a simulated one's in its run."""
    if not is_real_arm(values):
        return Path(str(values["run"]), "logs", "gate_stopped.json")
    address = re.sub(r"[^A-Za-z0-9.-]", "_", str(values["robot_ip"]).lower())
    return Path(pwd.getpwuid(os.getuid()).pw_dir, STATE, f"{address}.json")


def standing_stop(values: Values) -> str:
    """What to tell where the robot is stopped from an earlier start; empty: it is not."""
    try:
        stop = json.loads(stop_file(values).read_bytes()[: 1 << 16])
        if not stop["lasts"]:
            return ""
        told = f"the robot is stopped since {stop['since']}: {stop['reason']}"
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        told = f"the robot is stopped from an earlier start, and {stop_file(values)} cannot be read"
    return f"{''.join(c if c.isprintable() else '?' for c in told[:LONGEST])}. {RELEASE}"
