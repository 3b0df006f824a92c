# SPDX-License-Identifier: Apache-2.0
"""How a trained policy acts, as options of a command line; the defaults are those of `ActorParameters`."""

from __future__ import annotations

from rldg_core.commands.argument_types import real, whole
from rldg_core.commands.command_line import Parser


def add_acting_options(parser: Parser) -> None:
    """`--deterministic`, `--replan`, `--ensemble`; the last is None where it is off."""
    add = parser.add_argument
    add("--deterministic", action="store_true", help="specialists: act on the mean, draw nothing")
    add(
        "--replan",
        type=whole(1, 1000),
        default=1,
        help="students: control steps after which they are asked for new actions (1)",
    )
    add(
        "--ensemble",
        type=real(0.0, 1000.0),
        help="students: temporal ensembling; see docs/how-to/policy.md (off)",
    )
