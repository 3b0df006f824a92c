# SPDX-License-Identifier: Apache-2.0
"""Who has a hand on the robot, and by which device."""

from __future__ import annotations

from dataclasses import replace

from rldg_bringup.arguments import Argument, Resume, Value, Values, flag, only_with, real

HANDS = ("spacemouse", "keyboard", "gamepad")
"""operators who are persons: time must run by itself for them"""
OPERATOR = Argument(
    "operator",
    "scripted",
    "Who demonstrates and intervenes; scripted: a script that plays a person; spacemouse, gamepad: a person with one; "
    "keyboard: a person at ./rldg run rldg_robot keyboard_teleop; none: no person.",
    choices=("scripted", *HANDS, "none"),
    resume=Resume.KEPT,
)
DEVICE = Argument(
    "device",
    "hid",
    "How a SpaceMouse is read; hid: directly; spacenavd: through that daemon.",
    choices=("hid", "spacenavd"),
    resume=Resume.KEPT,
    needs=(only_with("operator", "spacemouse"),),
)
FACING = Argument(
    "facing",
    "0",
    "Which way a person with a SpaceMouse or gamepad looks, in degrees counter-clockwise from x of base; 0: they stand "
    "behind the arm; 180: in front of it. The keyboard has a parameter of that name.",
    parse=real(-360.0, 360.0),
    resume=Resume.KEPT,
    needs=(only_with("operator", "spacemouse", "gamepad"),),
)
DEADBAND = Argument(
    "deadband",
    "0.05",
    "Share of a SpaceMouse's or gamepad's full deflection, per axis, that is taken for a hand at rest: more where the "
    "arm drifts without a push.",
    parse=real(0.0, 0.9),
    resume=Resume.KEPT,
    needs=(only_with("operator", "spacemouse", "gamepad"),),
)
HOLD_TO_RUN = Argument(
    "hold_to_run",
    "false",
    "A SpaceMouse moves the arm only while one of its buttons is held, which then does nothing else: for tasks that "
    "leave the gripper alone. A gamepad always has such a button.",
    choices=("true", "false"),
    parse=flag,
    resume=Resume.KEPT,
    needs=(only_with("operator", "spacemouse"),),
)
DEVICES = (DEVICE, FACING, DEADBAND, HOLD_TO_RUN)


def of_source(device: Argument) -> Argument:
    """The same argument where `source` says whose hand it is."""
    return replace(device, needs=tuple(replace(need, argument="source") for need in device.needs))


def hand_driver(values: Values) -> tuple[str, dict[str, Value]] | None:
    """Executable and parameters of what reads the operator's device; None where no node of the stack does."""
    operator = str(values["operator"])
    if operator == "spacemouse":
        return operator, {argument.name: values[argument.name] for argument in DEVICES}
    if operator == "gamepad":
        return operator, {name: values[name] for name in ("facing", "deadband")}
    return None
