# SPDX-License-Identifier: Apache-2.0
"""The set-up that an arm stands in: one small YAML with what a task cannot know of it (docs/fci.md).

Every node of a stack that was started with `site:=<file>` finds the file's path in its environment.
"""

from __future__ import annotations

import ipaddress
import math
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import dacite
import numpy as np
import yaml

from rldg_robot.poses import Pose
from rldg_robot.user_error import UserError

VARIABLE = "RLDG_SITE"
SIMULATOR = "127.0.0.1"
"""address of the simulated arm"""


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
        for name, value in vars(self).items():
            if not 0.0 < value < math.inf:
                raise ValueError(f"collision: {name} has to be above 0, not {value}")


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
        if not 0.0 <= self.mass < math.inf or not all(map(math.isfinite, self.com)):
            raise ValueError(f"load: {self.mass} kg at {self.com} m cannot be")
        if not all(0.0 <= value < math.inf for value in self.inertia):
            raise ValueError(f"load: an inertia of {self.inertia} kg m^2 cannot be")


@dataclass(frozen=True)
class TaughtPose:
    """Where the TCP is with a task done: read off the arm while it is there."""

    position: tuple[float, float, float]
    """[m] in base"""
    quaternion: tuple[float, float, float, float]
    """x y z w"""

    def __post_init__(self) -> None:
        if not Pose(np.array(self.position), np.array(self.quaternion)).is_finite():
            raise ValueError(
                f"goals: {self.position}, {self.quaternion} is no pose: it has to be finite, with a quaternion x y z w "
                "of length 1"
            )


@dataclass(frozen=True)
class Site:
    """One set-up."""

    robot_ip: str = SIMULATOR
    """of the arm's FCI"""
    realtime: bool = True
    """libfranka refuses a kernel without PREEMPT_RT; never asked for where the arm is simulated"""
    collision: Collision = Collision()
    load: Load = Load()
    goals: dict[str, TaughtPose] = field(default_factory=dict)
    """by task, `family/variant`: in the place of the task's own goal and its range"""

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
        content = yaml.safe_load(Path(name).read_text()) or {}
        return dacite.from_dict(Site, content, dacite.Config(strict=True, cast=[tuple, float]))
    except (
        *(OSError, yaml.YAMLError, dacite.DaciteError),
        *(AttributeError, TypeError, ValueError),
    ) as error:
        raise UserError(
            f"site:={name} cannot be used: {error}. docs/fci.md has an example"
        ) from error
