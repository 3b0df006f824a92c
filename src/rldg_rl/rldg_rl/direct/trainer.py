# SPDX-License-Identifier: Apache-2.0
"""`trainer`: a specialist learns a task in one process without ROS; the run is the same as one of nodes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rldg_core.commands.argument_types import listed, place, whole
from rldg_core.commands.command_line import Parser, command
from rldg_core.user_error import UserError
from rldg_rl.direct.direct_run import DirectRun, LearnerBeginning
from rldg_rl.direct.run_options import actor_parameters, add_run_options
from rldg_rl.learner_config import DEMOS, DISK, MEMORY
from rldg_rl.modes.actor_parameters import ActorParameters

EPILOG = """\
It leaves what ./rldg launch train_rl leaves: bags, checkpoints, learning curves, summary.json, videos. Ctrl-C or a kill
at any moment: the same command resumes, and loses the step in flight at most.

example:
  trainer runs/vga --task connector/vga
"""


def parse(arguments: Sequence[str] | None) -> tuple[ActorParameters, LearnerBeginning]:
    """What a command line asks for.

    Raises:
        UserError: an option contradicts another.
    """
    parser = Parser(
        prog="trainer",
        description="Train a specialist on the twin without ROS: demonstrations, training, evaluation.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add_run_options(parser)
    add("--task", required=True, help="family/variant")
    add("--demos", type=whole(0), default=20, help="successful demonstrations (20)")
    add(
        "--steps",
        type=whole(0),
        default=0,
        help="most training steps; 0: the task's own number (0)",
    )
    add("--episodes", type=whole(1), default=20, help="evaluation episodes (20)")
    add(
        "--operator",
        choices=("scripted", "none"),
        default="scripted",
        help="who demonstrates and helps",
    )
    add(
        "--observation",
        choices=("state", "image"),
        default="state",
        help="what is learned from (state)",
    )
    add("--encoder", default=DEMOS, help="of images; see docs/how-to/pixels.md (demos)")
    add("--buffer", choices=(MEMORY, DISK), default=MEMORY, help="where images are kept (memory)")
    add("--init", default="", help="a learner's checkpoint to begin with")
    add("--policy", default="", help="the student that demonstrates")
    add(
        "--demos-first",
        action="store_true",
        help="learn from the demonstrations before the first step",
    )
    add("--prior", type=listed(place), default=(), help="runs to learn from, too, with commas")
    given = parser.parse_args(arguments)
    parameters = actor_parameters(given, mode="train")
    if len(parameters.tasks()) > 1:
        raise UserError(f"--task {given.task} means several tasks: a specialist learns one")
    begins = LearnerBeginning(
        given.init, tuple(map(Path, given.prior)), given.demos_first, given.buffer
    )
    return parameters, begins


@command("trainer")
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 2 a person has to change something, 130 stopped."""
    DirectRun(*parse(arguments)).live()
    return 0


if __name__ == "__main__":
    sys.exit(main())
