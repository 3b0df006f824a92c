# SPDX-License-Identifier: Apache-2.0
"""`dataset info|validate|show`: what a dataset holds, what is wrong with it, what it looks like."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rldg_core.commands.argument_types import named_place, place, whole
from rldg_core.commands.command_line import Parser, UsageError, command
from rldg_core.commands.console import plain_console
from rldg_core.commands.visible import tell_error
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy
from rldg_distill.conversion.options import FOLDERS
from rldg_distill.conversion.validation import (
    compare_with_bags,
    saturated,
    tolerances,
    travel,
    validate,
)
from rldg_distill.datasets import pictures, statistics
from rldg_distill.datasets.rlds import Dataset, NoDataset, NotADataset

BINS = 16
BARS = " ▁▂▃▄▅▆▇█"


@dataclass
class DatasetSummary:
    """Counts over a whole dataset."""

    episodes: Counter[str] = field(default_factory=Counter)
    """by split, task, variant, source and outcome"""
    lengths: list[int] = field(default_factory=list)
    instructions: Counter[str] = field(default_factory=Counter)
    executed_by: Counter[int] = field(default_factory=Counter)
    taught: int = 0
    """steps with a teacher's distribution"""
    gaps: int = 0
    """places where the stamps skip a step or more"""
    frozen: int = 0
    """images equal to the one before, whether or not the arm moved"""
    still: int = 0
    """steps in which the arm went less than 0.1 mm"""
    saturated: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    """(M,) steps by dimension"""
    actions: list[np.ndarray] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)


def open_dataset(path: Path) -> Dataset:
    """Open `data/<name>`.

    Raises:
        NotADataset: it holds no RLDS dataset of today's contract.
    """
    try:
        return Dataset(path)
    except NotADataset as error:
        if any((p / "meta" / "info.json").is_file() for p in (path, path / FOLDERS["lerobot"])):
            raise NoDataset(
                f"{path} is a LeRobot dataset; this reads RLDS: convert the bags without --format lerobot as well"
            ) from error
        raise


def summarize_dataset(dataset: Dataset) -> DatasetSummary:
    """Read everything once."""
    summary = DatasetSummary(saturated=np.zeros(dataset.spaces.action.motions, int))
    period = 1e9 / dataset.contract.control_rate_hz
    for split in dataset.shards:
        for episode in dataset.episodes(split):
            metadata = episode.metadata
            outcome = EpisodeStatus.SUCCESS if metadata.success else EpisodeStatus.FAILURE
            summary.episodes[f"{split}  {metadata.task_id}  {metadata.source}  {outcome}"] += 1
            summary.lengths.append(len(episode))
            summary.instructions.update(episode.instruction[:1])
            summary.executed_by.update(episode.executed_by.tolist())
            summary.taught += int((episode.teacher_version >= 0).sum())
            gap = tolerances(episode)[0] * period
            summary.gaps += int((np.diff(episode.image_stamp) > gap).sum())
            for images in episode.images.values():
                summary.frozen += sum(a == b for a, b in pairwise(images))
            summary.still += int((travel(episode)[:, 0] < 1e-4).sum())
            summary.saturated += saturated(episode).sum(0)
            summary.actions.append(episode.action)
            summary.states.append(episode.state)
    return summary


def bars(values: np.ndarray) -> str:
    """A histogram in one line."""
    counts = np.bincount(_bins(values), minlength=BINS)
    return "".join(BARS[int(np.ceil(c / max(counts.max(), 1) * (len(BARS) - 1)))] for c in counts)


def _bins(values: np.ndarray) -> np.ndarray:
    """In which of `BINS` equal parts of their range they lie; where there is no range, in the middle.

    np.histogram refuses a range that float32 cannot divide: that of a column which hardly changes.
    """
    numbers = values[np.isfinite(values)].astype(np.float64)
    if not numbers.size:
        return np.zeros(0, int)
    low, width = numbers.min(), np.ptp(numbers)
    if not width > 0.0:
        return np.full(len(numbers), BINS // 2)
    return np.minimum((numbers - low) / width * BINS, BINS - 1).astype(int)


def show_info(dataset: Dataset, console: Console) -> None:
    """Print counts, lengths, histograms and what deserves a look.

    Raises:
        NotADataset: there is nothing to look at.
    """
    summary = summarize_dataset(dataset)
    if not summary.lengths:
        raise NotADataset(f"{dataset.folder} has no episodes: convert more")
    steps = sum(summary.lengths)
    console.print(
        f"{dataset.folder}: {len(summary.lengths)} episodes, {steps} steps",
    )
    for name, topic in dataset.contract.cameras.items():
        console.print(f"  observation/{name} from {topic}, {dataset.contract.image_format}")
    for name, count in sorted(summary.episodes.items()):
        console.print(f"  {count:5d}  {name}")
    console.print(f"instructions ({len(summary.instructions)}):")
    for text, count in summary.instructions.most_common():
        console.print(f"  {count:5d}  '{text}'")
    lengths = np.array(summary.lengths)
    console.print(
        f"lengths: {lengths.min()} to {lengths.max()}, median {np.median(lengths):.0f}  {bars(lengths)}"
    )
    console.print(
        "executed by: "
        + ", ".join(f"{ExecutedBy(k).word} {n}" for k, n in sorted(summary.executed_by.items()))
    )
    console.print(
        f"steps with a teacher: {summary.taught}; time gaps: {summary.gaps}; "
        f"images equal to the one before: {summary.frozen}; steps in which the arm stands: {summary.still}"
    )
    action, state = np.concatenate(summary.actions), np.concatenate(summary.states)
    console.print(_table(dataset.contract.action.names, action, summary.saturated / steps))
    console.print(_table(dataset.contract.state.names, state, None))


def _table(names: Sequence[str], values: np.ndarray, share: np.ndarray | None) -> Table:
    table = Table(box=None)
    for heading in ("", "min", "q01", "mean", "q99", "max", "histogram", ""):
        table.add_column(heading, no_wrap=True)
    for index, name in enumerate(names):
        column = values[:, index]
        numbers = [
            column.min(),
            np.quantile(column, 0.01),
            column.mean(),
            np.quantile(column, 0.99),
            column.max(),
        ]
        remark = "constant" if column.min() == column.max() else ""
        if share is not None and index < len(share) and share[index] > 0:
            remark = f"{100 * share[index]:.1f} % saturated"
        table.add_row(name, *(f"{n:.4g}" for n in numbers), bars(column), remark)
    return table


def show_faults(dataset: Dataset, bags: list[Path], console: Console) -> int:
    """Print every fault, and every difference from the bags if any are given; returns their number."""
    count = 0
    for fault in chain(validate(dataset), compare_with_bags(dataset, bags) if bags else ()):
        console.print(Text("fault", "red"), str(fault))
        count += 1
    episodes = sum(dataset.lengths.values())
    console.print(f"{dataset.folder}: {episodes} episodes, {count or 'no'} faults")
    return count


def show_pictures(dataset: Dataset, split: str, count: int, camera: str, out: Path) -> list[Path]:
    """Write contact sheet and video; returns their paths.

    Raises:
        UsageError: the dataset has no such split or camera.
    """
    if split not in dataset.shards:
        raise UsageError(f"no split '{split}'; there are: {', '.join(dataset.shards)}")
    if camera not in dataset.cameras:
        there = (
            f"there are: {', '.join(dataset.cameras)}" if dataset.cameras else "the data have none"
        )
        raise UsageError(f"no camera '{camera}'; {there}")
    episodes = pictures.chosen(dataset, split, count)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{dataset.name}_{split}_{camera}{suffix}" for suffix in (".png", ".mp4")]
    pictures.contact_sheet(paths[0], episodes, camera)
    pictures.video(paths[1], episodes, camera, dataset.contract.control_rate_hz)
    return paths


@command("dataset")
def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 sound, 1 damaged, 2 a person has to change something first, 3 faults found."""
    parser = Parser(prog="dataset", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, description in (
        ("info", "counts, lengths, histograms, instructions, statistics"),
        ("validate", "look for faults"),
        ("show", "write a contact sheet and a video"),
    ):
        verb = commands.add_parser(name, help=description, description=description)
        verb.add_argument("path", type=place, help="data/<name>")
        if name == "validate":
            verb.add_argument(
                "--bags",
                nargs="+",
                type=place,
                default=[],
                help="compare with its bags",
            )
        if name == "show":
            verb.add_argument("--split", default="val", help="train or val (val)")
            verb.add_argument("--count", type=whole(1), default=8, help="number of episodes (8)")
            verb.add_argument("--camera", default="image", help="feature (image)")
            verb.add_argument(
                "--out", type=named_place, help="folder; the dataset's own by default"
            )
    given = parser.parse_args(arguments)
    console = plain_console(width=None if sys.stdout.isatty() else 140)
    try:
        dataset = open_dataset(given.path)
        if given.command == "info":
            show_info(dataset, console)
            statistics.load(given.path)  # renewed if the data changed
        elif given.command == "validate":
            return 3 if show_faults(dataset, given.bags, console) else 0
        else:
            out = given.out or dataset.folder.parent / "pictures"
            for path in show_pictures(dataset, given.split, given.count, given.camera, out):
                console.print(str(path))
    except UsageError:
        raise
    except (UserError, OSError, ValueError) as error:
        tell_error("dataset", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
