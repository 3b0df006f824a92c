# SPDX-License-Identifier: Apache-2.0
"""`./rldg classifier`: labelled episodes become a reward classifier, and its false firings better labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from rich.progress import Progress
from rich.table import Table

from rldg_core.commands.argument_types import listed, named_place, place, seed_value, share, whole
from rldg_core.commands.command_line import Parser, command, once
from rldg_core.commands.console import plain_console
from rldg_core.commands.visible import visible
from rldg_core.files.checked_file import FormatError, read_yaml
from rldg_core.task import Task, UnknownTask, load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_rl.named_run import named_run
from rldg_rl.rewards.false_firings import Firing, firings, mark_false, mined
from rldg_rl.rewards.reward_classifier import (
    UPDATES,
    Label,
    Quality,
    labels_of,
    sample_labels,
    save_classifier,
    thinned,
    train_classifier,
)
from rldg_rl.run_folder import RunFolder

matplotlib.use("agg")
from matplotlib import pyplot as plt

SHEET = 24
"""images on the contact sheet"""
COLUMNS = 10
"""of the sheet of firings"""
EPILOG = """\
  ./rldg launch label task:=connector/vga name:=labels       a person shows what done looks like
  ./rldg classifier train labels                             a network learns it
  ./rldg launch train_rl name:=first reward:=classifier classifier:=runs/labels/classifier.safetensors
  ./rldg classifier review first                             where did it fire?
  ./rldg classifier review first --false 3,7-9               there it was wrong
  ./rldg classifier train labels --mine first                it learns that, too

Look at contact_sheet.png before you train with it: the images that it is most wrong about. With confirm:=true a person
says at once where it is wrong, and there is nothing to review. docs/how-to/reward.md has more."""


@dataclass(frozen=True)
class OfOneTask:
    """What is read of a run's settings."""

    task: str


@command("classifier")
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 trained, 2 a person has to change something."""
    given = _parser().parse_args(arguments)
    try:
        given.do(given)
    except (UnknownTask, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="classifier",
        description="A network that decides from the wrist image whether a task is done.",
        epilog=EPILOG,
    )
    verbs = parser.add_subparsers(required=True, metavar="train | review")
    learning = verbs.add_parser("train", help="from the episodes of ./rldg launch label")
    learning.set_defaults(do=train)
    learning.add_argument("run", help="run of labelled episodes: its name, or its folder")
    learning.add_argument(
        "--mine",
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs with reward:=classifier: where it fired and a person said no is learned from, too",
    )
    learning.add_argument("--out", type=named_place, help="file (<run>/classifier.safetensors)")
    learning.add_argument(
        "--images", type=whole(2), default=400, help="labelled images to learn from, at most (400)"
    )
    learning.add_argument(
        "--false-positives",
        type=share,
        default=0.01,
        metavar="SHARE",
        help="of images that are not done, as many may look done: the threshold is chosen for it (0.01)",
    )
    learning.add_argument("--seed", type=seed_value, default=0, help="of weights and draws (0)")
    reviewing = verbs.add_parser("review", help="a sheet of the moments at which it fired in a run")
    reviewing.set_defaults(do=review)
    reviewing.add_argument("run", help="run with reward:=classifier: its name, or its folder")
    reviewing.add_argument(
        "--false",
        type=_numbers,
        metavar="NUMBERS",
        help="of the images in which it was not done, such as 3,7-9; '' for none",
    )
    for verb in (learning, reviewing):
        verb.add_argument("--runs", type=place, default=Path("runs"), help="folder of runs (runs)")
    return parser


def _numbers(text: str) -> set[int]:
    """`3,7-9` as a set; raises ArgumentTypeError where it is something else."""
    numbers: set[int] = set()
    for part in listed(str)(text) if text else ():
        first, _, last = part.partition("-")
        low, high = _number(first), _number(last or first)
        if low > high:
            raise argparse.ArgumentTypeError(f"'{part}' goes backwards")
        numbers |= set(range(low, high + 1))
    return numbers


_number = whole(1, 100_000)


def review(given: argparse.Namespace) -> None:
    """Draw where the classifier fired in a run; keep which of that was false, where that is given.

    Raises:
        UserError: the run has none, or other numbers.
    """
    run = _run(given, given.run)
    fired = firings(run, _task(run))
    if not fired:
        raise UserError(f"{run.path}: it never fired, there is nothing to review")
    if given.false is None:
        sheet = run.path / "firings.png"
        draw_firings(sheet, fired)
        print(visible(f"{len(fired)} moments at which it fired: {sheet}"))
        print(visible(f"which were false? ./rldg classifier review {given.run} --false 3,7-9"))
        return
    mark_false(run, fired, given.false)
    print(f"{len(given.false)} of {len(fired)} were false")
    print(visible(f"next: ./rldg classifier train <labels> --mine {given.run}"))


def _run(given: argparse.Namespace, name: str) -> RunFolder:
    return RunFolder(named_run(name, given.runs))


def train(given: argparse.Namespace) -> None:
    """Train, save, and tell how good it is.

    Raises:
        UserError: a run is none, or the labels teach nothing.
    """
    run = _run(given, given.run)
    task = _task(run)
    found = [label for bag in run.succeeded(Source.DEMONSTRATION) for label in labels_of(bag, task)]
    mine = once("--mine", given.mine)
    false = [label for name in mine for label in mined(_run(given, name), task)]
    labels = thinned(found, given.images, given.seed) + sample_labels(
        false, given.images // 2, given.seed
    )
    console = plain_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("learning", total=UPDATES)
        classifier, quality, probability = train_classifier(
            labels,
            given.false_positives,
            given.seed,
            lambda update: progress.update(bar, completed=update),
        )
    out = given.out or run.path / "classifier.safetensors"
    save_classifier(out, classifier, task, quality)
    sheet = out.with_name("contact_sheet.png")
    draw_sheet(sheet, labels, probability, quality.threshold)
    console.print(_table(task, labels, len(false), quality))
    console.print(f"{out}; what it is least sure of: {sheet}")


def _task(run: RunFolder) -> Task:
    try:
        name = read_yaml(run.config, OfOneTask).task
    except (OSError, FormatError) as error:
        raise UserError(
            f"{run.path} is no run of one task ({error}): ./rldg launch label makes one with labels"
        ) from error
    return load_task(name)


def _table(task: Task, labels: Sequence[Label], false: int, quality: Quality) -> Table:
    table = Table(title=f"is {task.id} done?", title_justify="left", show_header=False)
    done = sum(label.done for label in labels)
    episodes = len({label.episode for label in labels})
    rows = {
        "labels": f"{done} done, {len(labels) - done} not, of {episodes} episodes",
        **({"false firings": f"{false}, at which a person said no"} if false else {}),
        "held out, done": f"{quality.missed} of {quality.positives} missed",
        "held out, not done": f"{quality.false} of {quality.negatives} look done",
        "threshold": f"{quality.threshold:.3f} (temperature {quality.temperature:.2f}, "
        f"log loss {quality.log_loss:.3f} nat)",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def draw_sheet(
    path: Path, labels: Sequence[Label], probability: np.ndarray, threshold: float
) -> None:
    """The images that it is most wrong or least sure about, worst first; a red title is a mistake."""
    done = np.array([label.done for label in labels])
    wrong = np.where(done, 1.0 - probability, probability)
    figure, axes = plt.subplots(3, SHEET // 3, figsize=(14, 6.2), layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, index in zip(axes.flat, np.argsort(-wrong), strict=False):
        label = labels[index]
        axis.imshow(label.image)
        mistake = (probability[index] >= threshold) != label.done
        said = "done" if label.done else "not done"
        axis.set_title(
            f"{said}: {probability[index]:.2f}", fontsize=9, color="C3" if mistake else "black"
        )
    figure.suptitle("what the person said, and the classifier's probability that it is done")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_firings(path: Path, fired: Sequence[Firing]) -> None:
    """The last image of every firing, numbered from 1."""
    rows = -(-len(fired) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(14, 1.6 * rows + 0.5), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for number, (axis, firing) in enumerate(zip(axes.flat, fired, strict=False), start=1):
        axis.imshow(firing.images[-1])
        axis.set_title(str(number), fontsize=9)
    figure.suptitle("where the classifier fired: in which of these is the task not done?")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
