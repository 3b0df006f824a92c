# SPDX-License-Identifier: Apache-2.0
"""`sweep`: how policies fare while their world gets further and further off, along one axis or along all of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rldg_core.commands.argument_types import listed, name_of, named_place
from rldg_core.commands.command_line import Parser, UsageError, command, once
from rldg_core.commands.console import plain_console
from rldg_core.files.atomic_file import write_atomically
from rldg_core.perturbation import AXES, help_text, read_perturbation
from rldg_core.task import UnknownTask, load_task, named_tasks
from rldg_core.user_error import UserError
from rldg_rl.evaluation.evaluation import close_cached
from rldg_rl.evaluation.evaluator import (
    EvaluationJob,
    add_settings,
    evaluate,
    exit_code,
    fail,
    order_of,
)
from rldg_rl.evaluation.results import judge
from rldg_rl.evaluation.sweep_finding import SweepFinding
from rldg_rl.evaluation.sweep_plot import draw_sweep
from rldg_rl.named_run import named_run

EVERY = "all"
EPILOG = """\
Every value of every axis is an ordinary evaluation of every run, with the same starts: finished episodes are
not run again, and after Ctrl-C or a kill the same command resumes. They lie in
<run>/evaluations/<name>_<axis>_<value>_seed<seed>.

It leaves, in the folder --out:
  sweep.png      success with its 95 % interval (Wilson) over the value; below, the mean time of the successes
  results.json   all figures

examples:
  sweep runs/vga --task connector/vga --axis camera
  sweep runs/pupil runs/human --task connector/vga --axis latency --values 0,100ms,200ms --episodes 100
  sweep runs/pupil runs/human --task connector/seen --axis camera,noise,friction
  sweep runs/pupil --task connector/vga --axis all
"""


@dataclass(frozen=True)
class Station:
    """A value of an axis, where every policy is judged."""

    axis: str
    value: float
    """in SI units"""

    @property
    def perturbation(self) -> str:
        """As it is typed; empty at the nominal value."""
        return f"{self.axis}:{AXES[self.axis].show(self.value)}" if self.value else ""

    @property
    def name(self) -> str:
        """As part of a folder's name."""
        return self.perturbation.replace(":", "_").replace("%", "percent") or "nominal"


@dataclass(frozen=True)
class Sweep:
    """What is to be found out."""

    orders: tuple[tuple[Station, EvaluationJob], ...]
    """evaluations, those of a station one after another"""
    out: Path
    """folder of picture and figures"""
    title: str


def parse(arguments: Sequence[str] | None) -> Sweep:
    """The sweep of a command line.

    Raises:
        UserError: a run has no policy; an axis or a value that there is not.
        UnknownTask: a name that means no task.
    """
    parser = Parser(
        prog="sweep",
        description="How do trained policies fare while their world gets further and further off?",
        epilog=f"{EPILOG}\n{help_text()}\n",
    )
    add = parser.add_argument
    add(
        "runs",
        nargs="+",
        metavar="run",
        help="whose policy is judged: its folder, or its name in runs",
    )
    add(
        "--axis",
        type=listed(str),
        required=True,
        help="one of those below; several with commas; all",
    )
    add(
        "--values",
        type=listed(str),
        help="of one axis, with commas: 0,2mm,5mm; --values=-0.1mm,0 where the first is negative "
        "(some that are worth trying)",
    )
    add(
        "--name",
        type=name_of("a name"),
        default="sweep",
        help="first part of the evaluations' names (sweep)",
    )
    add(
        "--out",
        type=named_place,
        help="folder of the results (sweeps/<task>_<axis> beside the runs)",
    )
    add_settings(parser, episodes=50)
    given = parser.parse_args(arguments)
    runs = once("run", [named_run(text) for text in given.runs])
    orders = tuple(
        (
            station,
            order_of(
                given,
                run,
                f"{given.name}_{station.name}_seed{given.seed}",
                station.perturbation,
                video=False,
            ),
        )
        for station in stations_of(given)
        for run in runs
    )
    subject = "_".join((given.task, *given.axis)).replace("/", "_").replace(",", "_")
    return Sweep(
        orders=orders,
        out=given.out or runs[0].parent / "sweeps" / subject,
        title=f"{given.task}, {given.episodes} episodes each",
    )


def stations_of(given: argparse.Namespace) -> tuple[Station, ...]:
    """The values of every axis, from the least to the greatest.

    Raises:
        UserError: there is no such axis or value.
    """
    names = given.axis
    if names == (EVERY,):
        names = tuple(name for name in AXES if not idle(name, given))
    if unknown := [name for name in names if name not in AXES]:
        raise UsageError(f"there is no axis '{unknown[0]}': there are {', '.join(AXES)}, and all")
    for name in names:
        if why := idle(name, given):
            raise UsageError(f"--axis {name} would change nothing here: {why}")
    if given.values and len(names) > 1:
        raise UsageError("--values are those of one axis: name one --axis, or leave --values out")
    return tuple(
        Station(name, value)
        for name in names
        for value in sorted(
            {AXES[name].read(text) for text in given.values or AXES[name].sweep.split(",")}
        )
    )


def idle(axis: str, given: argparse.Namespace) -> str:
    """Why an axis cannot be gone along with these tasks, of which not all have a hole; empty if it can."""
    most = Station(axis, AXES[axis].high).perturbation
    try:
        perturbation = read_perturbation(most, randomize=given.randomize)
        for task in named_tasks(given.task):
            perturbation.applied(load_task(task))
    except UserError as error:
        return str(error)
    return ""


def find_out(sweep: Sweep, console: Console) -> list[SweepFinding]:
    """Evaluate wherever that was not done.

    Raises:
        UserError, RunFolderError, PoolError, OSError: see `evaluator.evaluate`.
    """
    findings = []
    for number, (station, order) in enumerate(sweep.orders, 1):
        where = station.perturbation or f"{station.axis}: nominal"
        run = os.path.relpath(order.run)
        heading = f"{number} of {len(sweep.orders)}: {run}, {where}"
        console.print(heading)
        figures = judge(evaluate(order, console))
        close_cached()
        console.print(f"  {success(figures)}, {mean_seconds_text(figures)}")
        folder = os.path.relpath(order.folder.path)
        findings.append(SweepFinding(run, station.axis, station.value, folder, figures))
    return findings


def report(sweep: Sweep, findings: list[SweepFinding], console: Console) -> None:
    """Write, draw and show what was found."""
    sweep.out.mkdir(parents=True, exist_ok=True)
    content = {"title": sweep.title, "findings": [asdict(finding) for finding in findings]}
    write_atomically(sweep.out / "results.json", json.dumps(content, indent=2) + "\n")
    draw_sweep(sweep.out / "sweep.png", sweep.title, findings)
    for axis in dict.fromkeys(finding.axis for finding in findings):
        console.print(f"{axis}: {AXES[axis].meaning}")
        console.print(findings_table([finding for finding in findings if finding.axis == axis]))
    console.print(f"files: {sweep.out}")


def findings_table(findings: list[SweepFinding]) -> Table:
    """A line for every value of one axis and every run."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    drawn.add_column("value", justify="right", no_wrap=True)
    drawn.add_column("run")
    drawn.add_column("succeeded (95 %)", justify="right", no_wrap=True)
    drawn.add_column("cycle", justify="right", no_wrap=True)
    printed = ""
    for finding in findings:
        value = AXES[finding.axis].show(finding.value)
        figures = finding.figures
        drawn.add_row(
            value if value != printed else "",
            finding.run,
            success(figures),
            mean_seconds_text(figures),
        )
        printed = value
    return drawn


def success(figures: dict[str, Any]) -> str:
    """How many of how many, with the interval."""
    low, high = (100 * limit for limit in figures["ci95"])
    return f"{figures['successes']} of {figures['episodes']} ({low:.0f}-{high:.0f} %)"


def mean_seconds_text(figures: dict[str, Any]) -> str:
    """Mean time of the successes."""
    mean = figures["mean_cycle_seconds"]
    return "-" if mean is None else f"{mean:.2f} s"


@command("sweep")
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 a worker died, 2 a person has to change something, 130 stopped."""
    console = plain_console()
    try:
        sweep = parse(arguments)
    except (UserError, UnknownTask) as error:
        return fail("sweep", error, 2)

    def work() -> None:
        report(sweep, find_out(sweep, console), console)

    return exit_code("sweep", work, "the same command resumes")


if __name__ == "__main__":
    sys.exit(main())
