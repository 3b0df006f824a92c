# SPDX-License-Identifier: Apache-2.0
"""The set-up that an arm stands in: one small YAML with what a task cannot know of it (docs/how-to/fci.md).

Every node of a stack that was started with `site:=<file>` finds the file's path in its environment.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.files.checked_file import FormatError, read_yaml
from rldg_core.poses import Pose
from rldg_core.user_error import UserError

VARIABLE = "RLDG_SITE"
SIMULATED = "sim"
"""domain of what is simulated"""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
SIMULATOR = "127.0.0.1"
"""address of the simulated arm"""
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
"""an IP address, or a host's name"""
SHOULDER = 0.333
"""[m] above the base of an FR3: what it reaches lies around that"""
REACH = 0.855 + 0.2104
"""[m] of an FR3 up to its wrist's centre, and from there to the TCP of Franka's hand"""
FOOT = 0.15
"""[m] around the base's axis that its foot takes"""
PAYLOAD = 3.0
"""[kg] of an FR3, with its hand"""
LOAD_AWAY = 0.5
"""[m] from the flange within which what it carries has its centre"""
LOAD_INERTIA = 0.3
"""[kg m^2]: 3 kg on a rod of a metre"""


COLLISION = {
    "force": (10.0, 200.0, "N"),
    "torque": (2.0, 60.0, "Nm"),
    "joint_torque": (5.0, 87.0, "Nm"),
}
"""least, most and unit: below, the arm's own motion is a collision; above, nothing ever is. 87 Nm is a joint's most"""


def range_message(low: float, high: float, unit: str) -> str:
    """The end of a message about a number that is out of its range."""
    return f"cannot be: {low:g} to {high:g} {unit} are plausible"


@dataclass(frozen=True)
class Collision:
    """Beyond these the robot itself stops with a reflex; above the tasks' wrench limits, so that the gate is first."""

    force: float = 80.0
    """[N] along each axis"""
    torque: float = 20.0
    """[Nm] about each axis"""
    joint_torque: float = 60.0
    """[Nm] on each joint"""

    def __post_init__(self) -> None:
        """Raises ValueError: a threshold that stops the arm at once, or never."""
        for name, (low, high, unit) in COLLISION.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(
                    f"collision: a {name} of {value:g} {unit} {range_message(low, high, unit)}"
                )


@dataclass(frozen=True)
class Load:
    """What the hand carries beyond itself, such as a plug; the robot carries its weight."""

    mass: float = 0.0
    """[kg]"""
    com: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[m] its centre in the flange's frame"""
    inertia: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[kg m^2] about its centre, along the flange's axes"""

    def __post_init__(self) -> None:
        """Raises ValueError: nothing that an FR3 carries."""
        if not 0.0 <= self.mass <= PAYLOAD:
            raise ValueError(
                f"load: a mass of {self.mass:g} kg {range_message(0.0, PAYLOAD, 'kg')}"
            )
        if not all(abs(value) <= LOAD_AWAY for value in self.com):
            raise ValueError(
                f"load: a com at {self.com} m cannot be: {LOAD_AWAY} m from the flange at most"
            )
        if not all(0.0 <= value <= LOAD_INERTIA for value in self.inertia):
            fault = range_message(0.0, LOAD_INERTIA, "kg m^2")
            raise ValueError(f"load: an inertia of {self.inertia} kg m^2 {fault}")


@dataclass(frozen=True)
class TaughtPose:
    """Where the TCP is with a task done: read off the arm while it is there."""

    position: tuple[float, float, float]
    """[m] in base"""
    quaternion: tuple[float, float, float, float]
    """x y z w"""

    def __post_init__(self) -> None:
        """Raises ValueError: no pose, or none that an FR3 gets to."""
        place = np.array(self.position)
        if not Pose(place, np.array(self.quaternion)).is_finite():
            raise ValueError(
                f"goals: {self.position}, {self.quaternion} is no pose: it has to be finite, with a quaternion x y z w "
                "of length 1"
            )
        away = float(np.linalg.norm(place - [0.0, 0.0, SHOULDER]))
        if away > REACH:
            raise ValueError(
                f"goals: {self.position} is {away:.2f} m from the shoulder, and the arm reaches {REACH:.2f} m: "
                "positions are in m, in the frame of the arm's foot"
            )
        if place[2] < 0.0:
            raise ValueError(
                f"goals: {self.position} is below the table that the arm stands on: z of base points up"
            )
        if np.hypot(*place[:2]) < FOOT:
            raise ValueError(f"goals: {self.position} is in the arm's own foot")


@dataclass(frozen=True)
class Site:
    """One set-up."""

    name: str = "real"
    """domain of the episodes that are recorded on its arm"""
    robot_ip: str = SIMULATOR
    """of the arm's FCI"""
    realtime: bool = True
    """libfranka refuses a kernel without PREEMPT_RT; never asked for where the arm is simulated"""
    collision: Collision = Collision()
    load: Load = Load()
    goals: dict[str, TaughtPose] = field(default_factory=dict)
    """by task, `family/variant`: in the place of the task's own goal and its range"""

    def __post_init__(self) -> None:
        """Raises ValueError: an address that is none, or a name that could not be distinguished from others."""
        if not NAME.fullmatch(self.name) or self.name == SIMULATED:
            raise ValueError(
                f"name: {self.name!r} is not valid: letters, digits, _, - and . alone, and not {SIMULATED!r}, which "
                "simulated episodes have"
            )
        if not ADDRESS.fullmatch(self.robot_ip):
            raise ValueError(
                f"robot_ip: {self.robot_ip!r} is neither an IP address nor a host's name"
            )

    @property
    def simulated(self) -> bool:
        """Whether the address is this machine's own, where no arm can be."""
        try:
            return ipaddress.ip_address(self.robot_ip).is_loopback
        except ValueError:
            return self.robot_ip == "localhost"


def site() -> Site:
    """The set-up that this process was started in; all defaults where it was started in none.

    Raises:
        UserError: its file cannot be read, or has something in it that does not belong there.
    """
    return _read(os.environ.get(VARIABLE, ""))


@cache
def _read(name: str) -> Site:
    if not name:
        return Site()
    try:
        kind: Any = Site | None  # all of it may be a comment
        return read_yaml(Path(name), kind, strict=True) or Site()
    except (FormatError, OSError) as error:
        raise UserError(
            f"site:={name} cannot be used: {error}. docs/how-to/fci.md has an example"
        ) from error
