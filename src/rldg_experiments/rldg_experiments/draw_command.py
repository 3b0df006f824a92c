# SPDX-License-Identifier: Apache-2.0
"""`experiment draw`: the success rates of one or several experiments in one picture."""

from __future__ import annotations

from collections.abc import Sequence

from rldg_core.commands.argument_types import named_place, place
from rldg_core.commands.command_line import Parser, UsageError, once
from rldg_core.files.atomic_file import write_atomically
from rldg_experiments.results_file import read_together

HELP = """\
Success of every policy on seen and unseen tasks, with 95 % intervals and the paper's numbers beside
them, from one or several finished experiments:

  ./rldg experiment draw runs/experiments/fig4_cpu/results.json --out fig4.png
  ./rldg experiment draw docs/results/fig4/results*.json --out docs/results/fig4/success_all.png

Families of tasks stand in the order of the files. Of each file its largest number of episodes is drawn.
Where two files hold the same bar (family, seen or unseen, policy, source of its data) the first file's
is drawn, and a line says so if they differ.

Exit code: 0 drawn, 1 the picture cannot be written, 2 a file is missing or is no results.json."""


def parser() -> Parser:
    """The command line."""
    result = Parser("experiment draw", description=HELP)
    result.add_argument("results", nargs="+", type=place, help="results.json of experiments")
    result.add_argument("--out", required=True, type=named_place, help="the picture, a .png")
    return result


def main(words: Sequence[str]) -> list[str]:
    """Draw, and tell in lines what was drawn.

    Raises:
        UsageError: the command line or one of the files has to change.
        OSError: the picture cannot be written.
    """
    given = parser().parse_args(words)
    if given.out.suffix.lower() != ".png":
        raise UsageError(f"--out {given.out}: the picture is a PNG, so its name ends in .png")
    try:
        together = read_together(once("results", given.results))
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    if not together.rows:
        raise UsageError("the files hold no results: there is nothing to draw")
    from rldg_experiments.figures import png, success_bars  # noqa: PLC0415 - matplotlib would slow --help

    picture = png(success_bars(together.rows, together.families))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(given.out, picture)
    return [*together.left_out, f"{len(together.rows)} bars in {given.out}"]
