# SPDX-License-Identifier: Apache-2.0
"""`collector`: episodes for a dataset, without ROS, in as many processes as there are cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rldg_core.commands.argument_types import whole
from rldg_core.commands.command_line import Parser, command
from rldg_core.vocabulary import Source
from rldg_rl.direct.crew import Crew
from rldg_rl.direct.direct_run import DirectRun, LearnerBeginning
from rldg_rl.direct.run_options import actor_parameters, add_run_options
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.policies.acting_options import add_acting_options

EPISODES_PER_WORKER = 10
"""that a worker must have to collect to be worth its start"""
EPILOG = """\
It leaves what ./rldg launch collect leaves: bags, summary.json, a video. Ctrl-C or a kill at any moment: the same
command resumes.

example:
  collector runs/pool --task connector/vga --policy runs/vga/checkpoints/policy.safetensors --episodes 200
"""


def parse(arguments: Sequence[str] | None) -> tuple[ActorParameters, int]:
    """What a command line asks for, and how many processes do it."""
    parser = Parser(
        prog="collector",
        description="Collect episodes on the twin, without ROS.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add_run_options(parser)
    add("--task", required=True, help="family/variant; several with commas: an even mix")
    add(
        "--policy",
        default="",
        help="a specialist's file, a student's folder; one for all, or one of every task",
    )
    add(
        "--operator",
        choices=("scripted", "none"),
        default="none",
        help="scripted: who leads (none)",
    )
    add("--episodes", type=whole(1), default=50, help="that count, over all tasks (50)")
    add("--status", choices=("success", "all"), default="success", help="which count (success)")
    add_acting_options(parser)
    add("--workers", type=whole(0, 1024), default=0, help="processes; 0: one for every core (0)")
    given = parser.parse_args(arguments)
    if bool(given.policy) == (given.operator == "scripted"):
        parser.error("give --policy, or --operator scripted: one of them leads")
    parameters = actor_parameters(
        given,
        mode="collect",
        source=str(Source.POLICY if given.policy else Source.DEMONSTRATION),
        ensemble=-1.0 if given.ensemble is None else given.ensemble,
    )
    cores = len(os.sched_getaffinity(0))
    return parameters, given.workers or min(cores, given.episodes // EPISODES_PER_WORKER)


@command("collector")
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 2 a person has to change something, 130 stopped."""
    parameters, workers = parse(arguments)
    if workers > 1:
        Crew(parameters, workers).live()
    else:
        DirectRun(parameters, LearnerBeginning()).live()
    return 0


if __name__ == "__main__":
    sys.exit(main())
