# SPDX-License-Identifier: Apache-2.0
"""Who has a hand on the robot, and by which device."""

from __future__ import annotations

from rldg_bringup.arguments import Argument, Resume, Value, Values, flag, real

HANDS = ("spacemouse", "keyboard", "gamepad")
"""operators who are persons: time must run by itself for them"""
OPERATOR = Argument(
    "operator",
    "scripted",
    "Who demonstrates and intervenes; scripted: a script that plays a person; spacemouse, gamepad: a person with one; "
    "keyboard: a person at ./rldg run rldg_robot keyboard_teleop; none: nobody.",
    choices=("scripted", *HANDS, "none"),
    resume=Resume.KEPT,
)
DEVICE = Argument(
    "device",
    "hid",
    "How a SpaceMouse is read; hid: directly; spacenavd: through that daemon.",
    choices=("hid", "spacenavd"),
    resume=Resume.KEPT,
)
FACING = Argument(
    "facing",
    "0",
    "Which way a person with a SpaceMouse or gamepad looks, in degrees counter-clockwise from x of base; 0: they stand "
    "behind the arm; 180: in front of it. The keyboard has a parameter of that name.",
    parse=real(-360.0),
    resume=Resume.KEPT,
)
HOLD_TO_RUN = Argument(
    "hold_to_run",
    "false",
    "A SpaceMouse moves the arm only while one of its buttons is held, which then does nothing else: for tasks that "
    "leave the gripper alone. A gamepad always has such a button.",
    choices=("true", "false"),
    parse=flag,
    resume=Resume.KEPT,
)
DEVICES = (DEVICE, FACING, HOLD_TO_RUN)


def hand_driver(values: Values) -> tuple[str, dict[str, Value]] | None:
    """Executable and parameters of what reads the operator's device; None where no node of the stack does."""
    operator = str(values["operator"])
    if operator == "spacemouse":
        return operator, {name: values[name] for name in ("device", "facing", "hold_to_run")}
    if operator == "gamepad":
        return operator, {"facing": values["facing"]}
    return None
