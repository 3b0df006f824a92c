# SPDX-License-Identifier: Apache-2.0
"""What the SpaceMouse sends, live: `./rldg run rldg_robot spacemouse_probe`. Starts no ROS and moves nothing."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rldg_robot.devices.hand_device import AXES, DeviceLost, Push
from rldg_robot.devices.mounting import Mounting
from rldg_robot.devices.spacemouse import HidSpaceMouse, SpacenavdSpaceMouse, open_spacemouse
from rldg_robot.user_error import UserError

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
    with Live(console=Console(), auto_refresh=False) as live:
        while time.monotonic() < end:
            push = mouse.read()
            if (passed := time.monotonic() - since) >= 1.0:
                rate = (mouse.reports - counted) / passed
                counted, since = mouse.reports, time.monotonic()
            live.update(picture(mouse.name, push, mounting.in_base(push), rate), refresh=True)
            time.sleep(PERIOD)


def main(words: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("hid", "spacenavd"), default="hid")
    parser.add_argument("--facing", type=float, default=0.0, help="degrees, as facing:= of a stack")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then end")
    arguments = parser.parse_args(words)
    try:
        mouse = open_spacemouse(arguments.device)
        watch(mouse, Mounting(arguments.facing), arguments.seconds)
    except (UserError, DeviceLost) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        pass
