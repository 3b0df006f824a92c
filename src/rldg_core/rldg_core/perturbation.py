# SPDX-License-Identifier: Apache-2.0
"""What can be made harder about a twin's world, one axis at a time: how far off, in one number each; 0 is nominal.

In words it is `camera:5mm,latency:100ms`. What it does in an episode follows from the episode's seed alone, so that it
is the same for every policy; `disturbance` and `Twin` carry it out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from rldg_core.task import Task
from rldg_core.user_error import UserError

LENGTH = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
ANGLE = {"deg": 0.017453292519943295, "rad": 1.0}
FORCE = {"N": 1.0}
TIME = {"ms": 1e-3, "s": 1.0}
SHARE = {"": 1.0, "%": 1e-2}
PERCENT = {"%": 1e-2, "": 1.0}
"""as SHARE, but shown in percent"""
DIGITS = 6
EXAMPLE = "camera:5mm,latency:100ms"


@dataclass(frozen=True)
class Axis:
    """One way in which a world differs from the nominal one."""

    meaning: str
    """what its number says, for people"""
    units: Mapping[str, float]
    """by name: how much of the SI unit each is; the first one is shown"""
    low: float
    high: float
    """least and greatest, in SI units"""
    sweep: str
    """values worth trying, with commas"""

    def read(self, text: str) -> float:
        """A value in SI units.

        Raises:
            UserError: not a number with a unit of this axis, or out of range.
        """
        found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([A-Za-z%]*)", text.strip())
        if not found or (found[2] not in self.units and float(found[1]) != 0.0):
            wanted = ", ".join(unit or "no unit" for unit in self.units)
            raise UserError(f"'{text}' is not valid: it takes a number with its unit ({wanted})")
        value = _rounded(float(found[1]) * self.units.get(found[2], 1.0))
        if not self.low <= value <= self.high:
            raise UserError(f"{text} is out of range: {self.range}")
        return value

    def show(self, value: float) -> str:
        """A value in SI units as it is typed."""
        return f"{self.shown(value):.{DIGITS}g}{self.unit}"

    def shown(self, value: float) -> float:
        """A value in SI units in the unit that is shown."""
        return value / self.units[self.unit]

    @property
    def unit(self) -> str:
        """The unit that is shown."""
        return next(iter(self.units))

    @property
    def range(self) -> str:
        """From where to where."""
        return f"{self.show(self.low)} to {self.show(self.high)}"


def _rounded(value: float) -> float:
    """So that 0.5cm and 5mm are the same number."""
    return float(f"{value:.{DIGITS}g}")


def _axis(
    meaning: str, units: Mapping[str, float], low: float, high: float, sweep: str
) -> Any:  # a float to the dataclass
    axis = Axis(meaning, units, _rounded(low), _rounded(high), sweep)
    return field(default=0.0, metadata={"axis": axis})


@dataclass(frozen=True)
class Perturbation:
    """How far a world is off, in SI units; `AXES` says what each number means."""

    light: float = _axis(
        "how far light and brightness go from nominal to what randomize:=true draws",
        SHARE,
        0.0,
        1.0,
        "0,0.25,0.5,0.75,1",
    )
    colours: float = _axis(
        "how far all colours go from nominal to what randomize:=true draws",
        SHARE,
        0.0,
        1.0,
        "0,0.25,0.5,0.75,1",
    )
    texture: float = _axis(
        "share of the episodes in which board or table top wear another texture",
        SHARE,
        0.0,
        1.0,
        "0,0.5,1",
    )
    camera: float = _axis(
        "largest shift of the wrist camera along each of its axes, drawn for each episode",
        LENGTH,
        0.0,
        0.05,
        "0,2mm,5mm,10mm,20mm",
    )
    camera_turn: float = _axis(
        "largest turn of the wrist camera about each of its axes, drawn for each episode",
        ANGLE,
        0.0,
        30.0 * ANGLE["deg"],
        "0,1deg,2deg,5deg,10deg",
    )
    clearance: float = _axis(
        "added to the gap between plug and socket, or shape and hole, on every side; negative: tighter",
        LENGTH,
        -0.001,
        0.005,
        "-0.3mm,-0.2mm,-0.1mm,0,0.2mm",
    )
    friction: float = _axis(
        "change of every friction coefficient; 100%: twice as much, -50%: half",
        PERCENT,
        -1.0,
        9.0,
        "-50%,0,100%,200%,400%",
    )
    board: float = _axis(
        "how far socket, board or bowl slide to either side, to and fro along a drawn line, in 4 s",
        LENGTH,
        0.0,
        0.05,
        "0,1mm,2mm,5mm,10mm",
    )
    noise: float = _axis(
        "standard deviation of the measured offset of the goal, along each axis, at every measurement",
        LENGTH,
        0.0,
        0.05,
        "0,0.5mm,1mm,2mm,5mm",
    )
    force_noise: float = _axis(
        "standard deviation of the measured force, along each axis; of the torque a tenth of it in Nm",
        FORCE,
        0.0,
        50.0,
        "0,1N,2N,5N,10N",
    )
    image_noise: float = _axis(
        "standard deviation of every channel of every pixel, of full brightness",
        PERCENT,
        0.0,
        1.0,
        "0,2%,5%,10%,20%",
    )
    latency: float = _axis(
        "how much later targets and gripper commands are carried out; 100ms is a control step",
        TIME,
        0.0,
        1.0,
        "0,50ms,100ms,200ms,300ms",
    )

    def __post_init__(self) -> None:
        """Raises UserError: a number is out of its axis' range."""
        for name, axis in AXES.items():
            if not axis.low <= getattr(self, name) <= axis.high:
                raise UserError(f"{name} of {getattr(self, name)} is out of range: {axis.range}")

    def __str__(self) -> str:
        """As it is typed; the same text for the same perturbation, empty where there is none."""
        off = {name: getattr(self, name) for name in AXES if getattr(self, name)}
        return ",".join(f"{name}:{AXES[name].show(value)}" for name, value in off.items())

    def applied(self, task: Task) -> Task:
        """The task whose world is to be built.

        Raises:
            UserError: another clearance is asked for where nothing goes into a hole.
        """
        if self.clearance and not task.has_hole:
            raise UserError(f"{task.id} has no hole: leave out clearance")
        return replace(task, extra_clearance=task.extra_clearance + self.clearance)

    @property
    def changes_looks(self) -> bool:
        """Whether anything looks otherwise."""
        return any((self.light, self.colours, self.texture, self.camera, self.camera_turn))


AXES: dict[str, Axis] = {each.name: each.metadata["axis"] for each in fields(Perturbation)}
"""every axis by its name"""
NOMINAL = Perturbation()


def read_perturbation(text: str, *, randomize: bool = False) -> Perturbation:
    """What `axis:value,axis:value` means; nothing said: nominal.

    Args:
        text: such as `camera:5mm,latency:100ms`.
        randomize: whether the looks are drawn anyway; they cannot be perturbed, too.

    Raises:
        UserError: an unknown axis, unit or form, a value out of range, an axis twice.
    """
    values: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.strip().partition(":")
        if name not in AXES:
            raise UserError(f"there is no axis '{name}' in '{text}'.\n{help_text()}")
        if name in values:
            raise UserError(f"'{text}' names {name} twice: once is enough")
        try:
            values[name] = AXES[name].read(value)
        except UserError as error:
            raise UserError(f"{name}: {error}.\n{help_text()}") from None
    perturbation = Perturbation(**values)
    if randomize and perturbation.changes_looks:
        raise UserError(
            "randomize:=true draws light, colours, texture and camera pose already: leave it out, or those axes"
        )
    return perturbation


def help_text() -> str:
    """Every axis with its range and what its number means; an example."""
    lines = ["axes:"]
    for name, axis in AXES.items():
        lines.append(f"  {name:<12} {axis.range:<18} {axis.meaning}")
    return "\n".join([*lines, f"example: {EXAMPLE}"])
