# SPDX-License-Identifier: Apache-2.0
"""`./rldg classifier train`: labelled episodes become a reward classifier, with a sheet of what it gets wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rldg_rl.actor import DEMONSTRATION
from rldg_rl.reward_classifier import (
    UPDATES,
    Label,
    Quality,
    labels_of,
    save_classifier,
    thinned,
    train_classifier,
)
from rldg_rl.run_folder import RunFolder
from rldg_robot.task import Task, UnknownTask, load_task
from rldg_robot.user_error import UserError

matplotlib.use("agg")
from matplotlib import pyplot as plt

SHEET = 24
"""images on the contact sheet"""
EPILOG = """\
  ./rldg launch label task:=connector/vga name:=labels       a person shows what done looks like
  ./rldg classifier train labels                             a network learns it
  ./rldg launch train_rl task:=connector/vga reward:=classifier classifier:=runs/labels/classifier.safetensors

Look at contact_sheet.png before you train with it: the images that it is most wrong about. docs/reward.md has more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 trained, 2 a person has to change something."""
    parser = argparse.ArgumentParser(
        prog="classifier",
        description="A network that tells from the wrist image whether a task is done.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what", choices=["train"], help="train: from the episodes of ./rldg launch label"
    )
    parser.add_argument("run", help="run of labelled episodes: its name, or its folder")
    parser.add_argument("--out", type=Path, help="file (<run>/classifier.safetensors)")
    parser.add_argument(
        "--images", type=int, default=400, help="labelled images to learn from, at most (400)"
    )
    parser.add_argument(
        "--false-positives",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="of images that are not done, as many may look done: the threshold is chosen for it (0.01)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and draws (0)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (runs)")
    given = parser.parse_args(arguments)
    try:
        train(given)
    except (UserError, UnknownTask, OSError) as error:
        print(f"classifier: {error}", file=sys.stderr)
        return 2
    return 0


def train(given: argparse.Namespace) -> None:
    """Train, save, and tell how good it is.

    Raises:
        UserError: the run is none, or its labels teach nothing.
    """
    run = RunFolder(Path(given.run) if Path(given.run).is_dir() else given.runs / given.run)
    task = _task(run)
    found = [label for bag in run.succeeded(DEMONSTRATION) for label in labels_of(bag, task)]
    labels = thinned(found, given.images, given.seed)
    with Progress(transient=True) as progress:
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
    Console().print(_table(task, labels, quality))
    print(f"{out}; what it is least sure of: {sheet}")


def _task(run: RunFolder) -> Task:
    try:
        name = yaml.safe_load((run.path / "config.yaml").read_text())["task"]
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise UserError(
            f"{run.path} is no run of labelled episodes ({error}): ./rldg launch label makes one"
        ) from error
    return load_task(str(name))


def _table(task: Task, labels: Sequence[Label], quality: Quality) -> Table:
    table = Table(title=f"is {task.id} done?", title_justify="left", show_header=False)
    done = sum(label.done for label in labels)
    episodes = len({label.episode for label in labels})
    rows = {
        "labels": f"{done} done, {len(labels) - done} not, of {episodes} episodes",
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


if __name__ == "__main__":
    sys.exit(main())
