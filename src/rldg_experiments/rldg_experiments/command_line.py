# SPDX-License-Identifier: Apache-2.0
"""`experiment`: a whole comparison, from specialists to a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rldg_core.commands.argument_types import whole
from rldg_core.commands.command_line import Parser, command
from rldg_core.commands.visible import tell_error, visible
from rldg_core.user_error import UserError
from rldg_experiments import draw_command, pipeline, report
from rldg_experiments.commands import Stopped
from rldg_experiments.experiment import BUDGETS, load, shipped
from rldg_experiments.plan import make_experiment_plan
from rldg_experiments.results import Results, gather

HELP = """\
Specialists learn; they and an operator who plays a person gather equal numbers of successful episodes;
students learn from one or the other; all are judged on tasks that the data holds (seen) and on others
(unseen).

  ./rldg experiment --list              what there is
  ./rldg experiment demo --plan         the commands it would run, which are finished, estimates
  ./rldg experiment demo                run them; the same as ./rldg demo
  ./rldg experiment demo --check        the same; exit code 3 unless everything that it claims is held
  ./rldg experiment mine.yaml           your own: copy one, or write `base: demo` and what differs
  ./rldg experiment draw <results.json>... --out <png>   finished ones in one picture; draw --help

The report lies in runs/experiments/<name>_<budget>/: report.html, one file; results.json; figures/.
Everything else lies in runs/ and data/ of the folder where this is typed, under names that end in a hash
of all that decided what came out. A changed setting runs again what depends on it, and experiments share
what they have in common. Stopped or killed, the same command goes on.

Commands that need nothing of each other run side by side, each in a ROS domain of its own; what they print
lies in logs/ beside the report.

Exit code: 0 done, 1 a command failed, 2 no such experiment or its YAML is wrong, 3 with --check: a claim is
not held, 130 stopped."""
NOT_HELD = 3


def parser() -> Parser:
    """The command line."""
    result = Parser("experiment", description=HELP)
    result.add_argument("name", nargs="?", help="of an experiment, or the path of a YAML")
    result.add_argument("--list", action="store_true", help="the experiments that there are")
    result.add_argument("--plan", action="store_true", help="show the commands, run nothing")
    result.add_argument(
        "--check",
        action="store_true",
        help="end with exit code 3 unless all of its claims are held",
    )
    result.add_argument(
        "--jobs",
        type=whole(1),
        default=os.cpu_count() or 1,
        help="how many commands run side by side at most (one for every processor core)",
    )
    result.add_argument(
        "--budget", choices=BUDGETS, default="cpu", help="how large everything is (cpu)"
    )
    return result


def tell(line: str) -> None:
    """A line of the experiment's own, apart from the commands' output."""
    print(visible(f"[experiment] {line}"), file=sys.stderr, flush=True)


def conclude(results: Results) -> None:
    """The outcome in a few lines."""
    for judged in results.claims:
        verdict = report.WORDS[judged.decision.verdict]
        tell(f"{verdict} {report.claim_text(judged.claim)}: {report.decision_text(judged)}")


def _draw(words: Sequence[str]) -> int:
    """`experiment draw`, with what it has to say."""
    try:
        for line in draw_command.main(words):
            tell(line)
    except OSError as error:
        tell_error("experiment draw", error)
        return 1
    return 0


@command("experiment")
def main(words: Sequence[str] | None = None) -> int:
    """The `experiment` command; its help says what the exit codes mean."""
    if (given_words := sys.argv[1:] if words is None else words)[:1] == ["draw"]:
        return _draw(given_words[1:])
    arguments = parser()
    given = arguments.parse_args(words)
    if given.list:
        if unused := arguments.typed(words) - {"list"} or ({given.name} if given.name else set()):
            arguments.error(f"--list shows what there is: leave {unused.pop()} out")
        for name, description in shipped().items():
            print(f"  {name:6} {description}")
        return 0
    if given.name is None:
        arguments.error(f"which one? Name one of {', '.join(shipped())}, or the path of a YAML")
    try:
        plan = make_experiment_plan(load(given.name, given.budget))
    except UserError as error:
        tell_error("experiment", error)
        return 2
    if given.check and not plan.claims:
        arguments.error(f"--check: {given.name} claims nothing: write `claims:` into its YAML")
    if given.plan:
        print(visible("\n".join(pipeline.outline(plan, given.jobs))))
        return 0
    try:
        pipeline.run(plan, given.jobs, tell)
        results = gather(plan)
        report.write(results, pipeline.report_folder(plan))
        conclude(results)
    except (Stopped, KeyboardInterrupt) as stopped:
        tell("stopped; the same command resumes")
        return stopped.exit_code if isinstance(stopped, Stopped) else 130
    except (UserError, OSError) as error:
        tell_error("experiment", error)
        return 1
    tell(f"report: {pipeline.report_folder(plan) / 'report.html'}")
    return NOT_HELD if given.check and not all(claim.held for claim in results.claims) else 0


if __name__ == "__main__":
    sys.exit(main())
