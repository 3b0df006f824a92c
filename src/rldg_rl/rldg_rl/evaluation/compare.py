# SPDX-License-Identifier: Apache-2.0
"""`compare`: two evaluated policies, episode by episode on the same starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from rldg_core.commands.command_line import Parser, command, pointless
from rldg_core.commands.console import plain_console
from rldg_core.perturbation import read_perturbation
from rldg_core.task import UnknownTask, named_tasks
from rldg_core.user_error import UserError
from rldg_rl.evaluation.conditions import TWIN, Conditions, conditions_of
from rldg_rl.evaluation.paired import MeanDifference, Pair, PairedComparison, compare_pairs
from rldg_rl.evaluation.results import Record, RecordFile
from rldg_rl.named_run import named_run
from rldg_rl.run_folder import RunFolder

EVERYTHING = "all"
EPILOG = """\
Of a run, the last evaluation of every task counts; one certain evaluation is named by its folder. Episodes are paired
by task and seed: evaluate both policies with the same seed:= and the same number of episodes:=. Episodes under
another perturbation, of another randomize:= or reward:= are no pairs.

examples:
  compare runs/pupil runs/human                      which of two students is better?
  compare runs/pupil runs/human --task connector/unseen
  compare runs/pupil runs/human --perturb camera:5mm
  compare runs/a/evaluations/sharp runs/b/evaluations/sharp --json
"""


@dataclass(frozen=True)
class Evaluated:
    """What is known of a policy."""

    records: dict[tuple[str, int], Record]
    """by task and seed"""
    folders: dict[str, Path]
    """of every task: where its records are from"""

    def conditions(self, task: str) -> Conditions:
        """Under which a task was evaluated."""
        return conditions_of(RunFolder(self.folders[task]))


def evaluated(path: Path, wanted: Conditions) -> Evaluated:
    """The last records of every task below a run or an evaluation.

    Args:
        path: folder of a run, of whose evaluations those under the wanted conditions count; or of one certain
            evaluation.
        wanted: where they are the default, the only evaluation there counts as it is.

    Raises:
        UserError: there are none, or a file is damaged.
    """
    own = RunFolder(path).records
    files = [own, *(RunFolder(each).records for each in RunFolder(path).evaluations.glob("*"))]
    there = sorted((f for f in files if f.is_file()), key=lambda file: file.stat().st_mtime)
    if not there:
        raise UserError(
            f"{path} holds no episodes.jsonl: evaluate it first, ./rldg launch evaluate name:={path.name}"
        )
    if there != [own] or wanted != Conditions():
        there = [f for f in there if conditions_of(RunFolder(f.parent)) == wanted]
    if not there:
        raise UserError(
            f"{path} was not evaluated {wanted}: say --perturb, --randomize and --reward as it was, or name one "
            "evaluation by its folder"
        )
    records: dict[str, list[Record]] = {}
    folders: dict[str, Path] = {}
    for file in there:
        found = RecordFile(file).read()
        for task in {record.task for record in found}:
            records[task] = [record for record in found if record.task == task]
            folders[task] = file.parent
    by_start = {(r.task, r.seed): r for of_task in records.values() for r in of_task}
    return Evaluated(by_start, folders)


def pair_up(first: Evaluated, second: Evaluated, tasks: Sequence[str]) -> dict[str, list[Pair]]:
    """Pairs of episodes with the same start, by task; of these tasks alone, if any are named.

    Raises:
        UserError: there are none, or the conditions of the two differed.
    """
    pairs: dict[str, list[Pair]] = {}
    for start in sorted(first.records.keys() & second.records.keys()):
        if not tasks or start[0] in tasks:
            pairs.setdefault(start[0], []).append((first.records[start], second.records[start]))
    if not pairs:
        raise UserError(
            f"no episode of the first ({_tasks(first)}) began as one of the second ({_tasks(second)}): evaluate both "
            "with the same seed:= on the same task:="
        )
    for task in pairs:
        ours, others = first.conditions(task), second.conditions(task)
        if ours != others:
            raise UserError(
                f"{task} was evaluated {ours} by the first and {others} by the second: such episodes are no pairs; "
                "evaluate both with the same perturb:=, randomize:= and reward:="
            )
    return pairs


def _tasks(evaluated: Evaluated) -> str:
    return ", ".join(sorted(evaluated.folders))


def compare_all(pairs: dict[str, list[Pair]]) -> dict[str, PairedComparison]:
    """A comparison for every task, and where there are several for all of them together."""
    compared = {task: compare_pairs(some) for task, some in pairs.items()}
    if len(pairs) > 1:
        compared[EVERYTHING] = compare_pairs([pair for some in pairs.values() for pair in some])
    return compared


def success_table(compared: dict[str, PairedComparison]) -> Table:
    """How often each succeeded."""
    drawn = _table("task", "pairs", "first", "second", "difference [95 %]", "p")
    for name, each in compared.items():
        rates = (f"{100 * successes / each.pairs:.0f} %" for successes in each.successes)
        low, high = (100 * limit for limit in each.ci95)
        difference = f"{100 * each.difference:+.0f} [{low:+.0f}, {high:+.0f}]"
        drawn.add_row(name, str(each.pairs), *rates, difference, f"{each.p:.2g}")
    return drawn


def throughput_table(compared: dict[str, PairedComparison]) -> Table:
    """How much each gets done."""
    drawn = _table("task", "pairs", "first", "second", "difference [95 %]")
    for name, each in compared.items():
        found = each.successes_per_10_minutes
        values = f"{found.first:.1f}", f"{found.second:.1f}"
        difference = f"{found.difference:+.1f}{_limits(found.ci95, 1)}"
        drawn.add_row(name, str(each.pairs), *values, difference)
    return drawn


def cycle_table(compared: dict[str, PairedComparison]) -> Table:
    """How fast each was where both succeeded."""
    return _mean_table({name: each.cycle for name, each in compared.items()}, "seconds", "s")


def force_table(compared: dict[str, PairedComparison]) -> Table:
    """How hard each pressed at most where both succeeded."""
    forces = {name: each.peak_force_per_success for name, each in compared.items()}
    return _mean_table(forces, "newtons", "N")


def _mean_table(found: dict[str, MeanDifference | None], units: str, unit: str) -> Table:
    drawn = _table("task", "both", "first", "second", f"{units} [95 %]")
    for name, each in found.items():
        if each is None:
            drawn.add_row(name, "0", "-", "-", "-")
            continue
        means = f"{each.first:.2f} {unit}", f"{each.second:.2f} {unit}"
        difference = f"{each.difference:+.2f}{_limits(each.ci95, 2)}"
        drawn.add_row(name, str(each.episodes), *means, difference)
    return drawn


def _limits(ci95: tuple[float, float] | None, digits: int) -> str:
    return f" [{ci95[0]:+.{digits}f}, {ci95[1]:+.{digits}f}]" if ci95 else ""


def _table(first: str, *numbers: str) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    drawn.add_column(first)
    for heading in numbers:
        drawn.add_column(heading, justify="right", no_wrap=True)
    return drawn


def _check_tasks(names: str | None, found: Collection[str]) -> None:
    """Check that every name that was typed means a task of which there are pairs.

    Raises:
        UsageError: one means none.
    """
    for name in (names or "").split(","):
        if name and not set(named_tasks(name)) & set(found):
            why = f"no episode of {name} was run by both"
            raise pointless(f"--task {name}", why, f"There are: {', '.join(sorted(found))}")


@command("compare")
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 compared, 2 a person has to change something."""
    parser = Parser(
        prog="compare",
        description="Two evaluated policies on the same starts: how often each succeeds, how fast where both do.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "first", help="a run, its folder or its name in runs, or the folder of an evaluation"
    )
    parser.add_argument("second", help="another")
    parser.add_argument(
        "--task", help="family/variant; family; family/seen; family/unseen; with commas (all)"
    )
    parser.add_argument(
        "--perturb",
        metavar="AXIS:VALUE,...",
        default="",
        help="of runs: the evaluations under this perturbation (those under none)",
    )
    parser.add_argument(
        "--randomize", action="store_true", help="of runs: the evaluations in which looks varied"
    )
    parser.add_argument(
        "--reward",
        choices=(TWIN, "pose", "person", "keyboard", "classifier"),
        default=TWIN,
        help=f"of runs: the evaluations that it judged ({TWIN})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args(arguments)
    try:
        tasks = named_tasks(given.task) if given.task else []
        perturb = str(read_perturbation(given.perturb))
        wanted = Conditions(perturb, given.randomize, given.reward)
        first, second = (evaluated(named_run(text), wanted) for text in (given.first, given.second))
        pairs = pair_up(first, second, tasks)
        _check_tasks(given.task, pairs)
    except UnknownTask as error:
        raise UserError(str(error)) from error
    compared = compare_all(pairs)
    if given.json:
        print(json.dumps({name: asdict(each) for name, each in compared.items()}, indent=2))
        return 0
    print_comparison(plain_console(), first, second, pairs, compared)
    return 0


def print_comparison(
    console: Console,
    first: Evaluated,
    second: Evaluated,
    pairs: dict[str, list[Pair]],
    compared: dict[str, PairedComparison],
) -> None:
    """Print what was found, and of what."""
    for name, side in (("first", first), ("second", second)):
        folders = sorted({str(side.folders[task]) for task in pairs})
        console.print(f"{name}: {', '.join(folders)}")
    about = "success [percentage points: first minus second, Newcombe; p: McNemar, exact]"
    console.print(about)
    console.print(success_table(compared))
    console.print("cycle time where both succeeded [first minus second, bootstrap]")
    console.print(cycle_table(compared))
    console.print("successes per 10 minutes, resets counted in [first minus second, delta method]")
    console.print(throughput_table(compared))
    console.print("peak force per success where both succeeded [first minus second, bootstrap]")
    console.print(force_table(compared))


if __name__ == "__main__":
    sys.exit(main())
