# SPDX-License-Identifier: Apache-2.0
"""What the SpaceMouse sends, live: `./rldg run rldg_robot spacemouse_probe`. Starts no ROS and moves nothing."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import numpy as np
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rldg_core.commands.argument_types import real
from rldg_core.commands.command_line import Parser, command
from rldg_core.commands.console import SlowLines, plain_console
from rldg_core.user_error import UserError
from rldg_robot.devices.hand_device import AXES, DeviceLost, Push
from rldg_robot.devices.mounting import Mounting
from rldg_robot.devices.spacemouse import HidSpaceMouse, SpacenavdSpaceMouse, open_spacemouse

PERIOD = 0.05  # [s]
HALF = 20  # characters of a full bar to either side
HINT = "push it away from you: x of the device goes to the right; what base is to do stands beside it; Ctrl-C ends"


def bar(value: float) -> str:
    """A value in [-1, 1] as a bar that grows from its middle."""
    length = round(abs(value) * HALF)
    left = "█" * length if value < 0 else ""
    right = "█" * length if value > 0 else ""
    return f"{left:>{HALF}}│{right:<{HALF}}"


def picture(name: str, push: Push, base: np.ndarray, rate: float) -> RenderableType:
    """The device's axes, what `base` is to do for them, the buttons and the reports per second."""
    table = Table(title=name, title_justify="left")
    for column in ("device", "", "of full", "base"):
        table.add_column(column)
    for axis, value, asked in zip(AXES, push.axes, base, strict=True):
        table.add_row(axis, bar(float(value)), f"{value:+.2f}", f"{asked:+.2f}")
    left, right = ("pressed" if held else "-" for held in push.buttons)
    silent = "" if rate else "   silent: at rest, or the wrong interface"
    return Group(
        table, Text(f"left {left}   right {right}   {rate:.0f} reports/s{silent}"), Text(HINT)
    )


def watch(mouse: HidSpaceMouse | SpacenavdSpaceMouse, mounting: Mounting, seconds: float) -> None:
    """Show it for a while, or until Ctrl-C."""
    end = time.monotonic() + seconds
    counted, since, rate = 0, time.monotonic(), 0.0
    console = plain_console()
    lines = SlowLines(console, period=1.0)
    with (
        Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live
    ):
        while time.monotonic() < end:
            push = mouse.read()
            if (passed := time.monotonic() - since) >= 1.0:
                rate = (mouse.reports - counted) / passed
                counted, since = mouse.reports, time.monotonic()
            shown = partial(picture, mouse.name, push, mounting.in_base(push), rate)
            if live:
                live.update(shown(), refresh=True)
            lines.say(shown)
            time.sleep(PERIOD)


def main(words: Sequence[str] | None = None) -> None:
    """Entry point."""
    if code := probe(words):
        sys.exit(code)


@command("spacemouse_probe")
def probe(words: Sequence[str] | None) -> None:
    """Show what the device sends, as the command line says.

    Raises:
        UserError: the device went away, or there is none.
    """
    parser = Parser("spacemouse_probe", description=__doc__)
    parser.add_argument("--device", choices=("hid", "spacenavd"), default="hid")
    parser.add_argument(
        "--facing", type=real(-360.0, 360.0), default=0.0, help="degrees, as facing:= of a stack"
    )
    parser.add_argument(
        "--seconds", type=real(0.0, 1e6), default=math.inf, help="then end (until Ctrl-C)"
    )
    arguments = parser.parse_args(words)
    try:
        mouse = open_spacemouse(arguments.device)
        watch(mouse, Mounting(arguments.facing), arguments.seconds)
    except DeviceLost as error:
        raise UserError(str(error)) from error
    except KeyboardInterrupt:
        pass
