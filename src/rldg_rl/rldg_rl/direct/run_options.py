# SPDX-License-Identifier: Apache-2.0
"""What the command lines of `trainer` and `collector` share: the run's own options, and the actor's parameters."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from rldg_core.commands.argument_types import seed_value
from rldg_core.commands.command_line import Parser
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.named_run import named_run


def add_run_options(parser: Parser) -> None:
    """The run, `--seed`, `--randomize` and `--no-video`."""
    add = parser.add_argument
    add("run", help="its folder; an earlier one is resumed")
    add("--seed", type=seed_value, default=0, help="of all randomness (0)")
    add("--randomize", action="store_true", help="other light, colours, textures, camera pose")
    add("--no-video", dest="video", action="store_false", help="film nothing")


def actor_parameters(given: argparse.Namespace, **more: Any) -> ActorParameters:
    """Of the twin: the options that have an actor's parameter's name, and `more`, which go before them.

    Raises:
        UserError: the run's name is none.
    """
    names = {field.name for field in fields(ActorParameters)}
    same = {name: value for name, value in vars(given).items() if name in names}
    return ActorParameters(**{**same, "run": str(named_run(given.run)), "real": False, **more})
