# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: single keys in, lines out."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rldg_core.commands.visible import visible
from rldg_core.user_error import UserError


def say(text: str) -> None:
    """A line to the person."""
    print(visible(text), flush=True)


@contextmanager
def single_keys(command: str) -> Iterator[None]:
    """The terminal hands over every key at once and does not show it.

    Args:
        command: how to start this program, for an error.

    Raises:
        UserError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UserError(
            f"{command.rsplit(maxsplit=1)[-1]} reads single keys: start it in a terminal of its own, {command}"
        )
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def keys_typed() -> str:
    """What was typed since; never waits."""
    if not select.select([sys.stdin], [], [], 0.0)[0]:
        return ""
    return os.read(sys.stdin.fileno(), 1024).decode(errors="ignore").lower()
