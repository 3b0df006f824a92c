# SPDX-License-Identifier: Apache-2.0
"""Which robot a stack moves: `robot:=sim`, the twin, or an arm, by libfranka (`robot:=fci`) or `robot:=franka_ros2`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from rldg_bringup.arguments import (
    Argument,
    Resume,
    StackError,
    Value,
    Values,
    matching,
    only_with,
    place,
)
from rldg_core.files.checked_file import FormatError, read_yaml

ARMS = ("fci", "franka_ros2")
"""robots that are arms; each is the name of its driver, too"""
AT_ARM = only_with("robot", *ARMS)
SIMULATOR = "127.0.0.1"
"""address of the simulated arm; any 127.… is one"""
ADDRESS = r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}"
"""an IP address, or a host's name"""
SITE_VARIABLE = "RLDG_SITE"
"""environment variable by which nodes find the site's file (`rldg_core.site_file`)"""

ROBOT = Argument(
    "robot",
    "sim",
    "Robot; sim: the simulated twin; fci: a Franka arm through libfranka, franka_ros2: one behind franka_ros2; or the "
    "simulator of either, in real time.",
    choices=("sim", *ARMS),
)
ROBOT_IP = Argument(
    "robot_ip",
    "",
    "robot:=fci, franka_ros2: address of the arm. Empty: the one in site:=, or 127.0.0.1, where a simulated arm is "
    "started, too.",
    parse=matching(f"|{ADDRESS}", "the address of a machine, such as 172.16.0.2"),
    needs=(AT_ARM,),
)
SITE = Argument(
    "site",
    "",
    "robot:=fci, franka_ros2: YAML of the set-up: address, collision thresholds, load, taught goals; docs/how-to/fci.md"
    " has an example.",
    needs=(AT_ARM,),
)
BODY = (ROBOT, ROBOT_IP, SITE)
OWN_BODY = (
    replace(ROBOT, resume=Resume.FIXED),
    *(replace(argument, resume=Resume.KEPT) for argument in (ROBOT_IP, SITE)),
)
"""of a stack that makes its run: what was learned on an arm goes on there"""


def settled(values: Values) -> dict[str, Value]:
    """What follows from the choice of the robot.

    Raises:
        StackError: an argument that the robot cannot do, or one that is another robot's.
    """
    if not is_arm(values):
        return {}
    robot = values["robot"]
    if values.get("real_time_factor", 0.0) not in (0.0, 1.0):
        raise StackError(f"real_time_factor:= is for the twin: leave it out with robot:={robot}")
    if values.get("transport") == "direct":
        raise StackError(
            f"transport:=direct is the twin in one process: leave it out with robot:={robot}"
        )
    if values.get("execute"):
        raise StackError(
            "execute:=true needs a robot that is put at the recorded start, which only the twin can: robot:=sim"
        )
    if "," in str(values.get("tasks", values.get("task", ""))):
        raise StackError(f"robot:={robot} has one board and one tool: give one task")
    file = str(values.get("site", ""))
    path = place(file)
    if file and not path.is_file():
        raise StackError(f"site:={file} is not valid: there is no {path}")
    settled: dict[str, Value] = {"site": str(path) if file else ""}
    settled["robot_ip"] = values["robot_ip"] or (_address(path) if file else SIMULATOR)
    if not re.fullmatch(ADDRESS, str(settled["robot_ip"])):
        raise StackError(f"site:={file} has no address of a machine: {settled['robot_ip']!r}")
    # No driver of an arm puts it anywhere: it goes.
    return settled | ({"resets": "motion"} if "resets" in values else {})


def is_arm(values: Values) -> bool:
    """Whether the robot is an arm, or the simulator of one: time is the wall clock's."""
    return values.get("robot") in ARMS


def simulated(values: Values) -> bool:
    """Whether the arm is one that this machine simulates; the same as `Site.simulated` says to its driver."""
    try:
        return ipaddress.ip_address(str(values["robot_ip"])).is_loopback
    except ValueError:
        return values["robot_ip"] == "localhost"


def _address(path: Path) -> str:
    try:
        found = read_yaml(path, dict[str, Any] | None)  # type: ignore[arg-type]
        return str((found or {}).get("robot_ip", SIMULATOR))
    except (OSError, FormatError) as error:
        raise StackError(f"site:={path} cannot be read: {error}") from error


def variables(values: Values) -> dict[str, str]:
    """What the nodes find in their environment."""
    return {SITE_VARIABLE: str(values["site"])} if values.get("site") else {}
