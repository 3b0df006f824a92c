# SPDX-License-Identifier: Apache-2.0
"""The modes by name."""

from __future__ import annotations

from collections.abc import Callable

from rldg_core.user_error import UserError
from rldg_rl.modes.collect import Collect
from rldg_rl.modes.context import Context
from rldg_rl.modes.evaluate import Evaluate
from rldg_rl.modes.mode import Mode
from rldg_rl.modes.train import Train

MODES: dict[str, Callable[[Context], Mode]] = {
    "train": Train,
    "evaluate": Evaluate,
    "collect": Collect,
}


def make_mode(context: Context) -> Mode:
    """The one that the parameters name.

    Raises:
        UserError: there is none of that name.
    """
    name = context.parameters.mode
    if name not in MODES:
        raise UserError(f"mode:={name} is unknown: one of {', '.join(MODES)}")
    return MODES[name](context)
