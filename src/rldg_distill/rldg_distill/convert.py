# SPDX-License-Identifier: Apache-2.0
"""`convert`: bags to an RLDS dataset in the layout of TensorFlow Datasets."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rldg_distill import image_codec, rlds, statistics
from rldg_distill.bag_episode import (
    POLICY_CAMERA,
    bag_name,
    camera_names,
    check_closed,
    read_episode,
)
from rldg_distill.episode import ACTION, BadBag, Episode
from rldg_distill.image_codec import ImageFormat
from rldg_distill.selection import STATUSES, Candidate, Filters, choose, find_bags, split
from rldg_distill.tfrecord import write_record
from rldg_robot.bag_reader import raw_messages, read_summary
from rldg_robot.contract import WRIST_IMAGE
from rldg_robot.proprioception import PROPRIOCEPTION
from rldg_robot.task import UnknownTask, load_task


class ConversionError(RuntimeError):
    """Nothing could be converted; the message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """What a dataset is made from and how."""

    out: Path
    """`data/<name>`"""
    filters: Filters = field(default_factory=Filters)
    val: float = 0.1
    """fraction of the episodes of every task"""
    image_format: ImageFormat = field(default_factory=ImageFormat)
    cameras: tuple[str, ...] = ()
    """features to keep; empty: all"""
    shard_episodes: int = 100
    """episodes per file"""
    overwrite: bool = False


@dataclass
class Result:
    """What became of the bags."""

    episodes: Counter[str] = field(default_factory=Counter)
    """by split"""
    steps: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """number of bags by the filter that left them out"""
    rejected: dict[str, str] = field(default_factory=dict)
    """reason by path"""


class Converter:
    """Converts one list of bags."""

    def __init__(self, options: Options, progress: Progress | None = None) -> None:
        """Check the options.

        Raises:
            ConversionError: the dataset exists, or has an impossible name.
        """
        try:
            rlds.check_name(options.out.name)
        except ValueError as error:
            raise ConversionError(str(error)) from error
        self.folder = options.out / rlds.VERSION
        if self.folder.exists() and not options.overwrite:
            raise ConversionError(f"{self.folder} exists. Give another name, or --overwrite")
        self._options = options
        self._progress = progress
        self._result = Result()
        self._motions: list[statistics.Motion] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._cameras: dict[str, str] = {}

    def run(self, paths: Iterable[Path]) -> Result:
        """Convert; the dataset appears under its name only when it is whole.

        Raises:
            ConversionError: nothing to convert.
        """
        candidates = self._candidates(paths)
        try:
            splits = split(choose(candidates, self._options.filters.count), self._options.val)
        except ValueError as error:
            raise ConversionError(self._nothing(str(error))) from error
        rate = self._control_rate(candidates)
        self._cameras = self._find_cameras(candidates)
        workplace = self._options.out / f".{rlds.VERSION}.unfinished"
        shutil.rmtree(workplace, ignore_errors=True)
        workplace.mkdir(parents=True)
        bar = self._progress and self._progress.add_task(
            "converting", total=sum(map(len, splits.values()))
        )
        lengths = {
            name: self._write_split(workplace, name, chosen, bar) for name, chosen in splits.items()
        }
        for name, counts in lengths.items():
            if not sum(counts):
                raise ConversionError(self._nothing(f"no bag of the split {name} could be read"))
        self._finish(workplace, lengths, rate)
        return self._result

    def _candidates(self, paths: Iterable[Path]) -> list[Candidate]:
        try:
            bags = find_bags(paths)
        except FileNotFoundError as error:
            raise ConversionError(str(error)) from error
        candidates = []
        for bag in bags:
            try:
                check_closed(bag)
                summary = read_summary(bag)
                load_task(summary.task)
            except (BadBag, UnknownTask) as error:
                self._result.rejected[str(bag)] = str(error)
                continue
            except (KeyError, TypeError, ValueError) as error:
                self._result.rejected[str(bag)] = (
                    f"has no readable summary of its episode: {error!r}"
                )
                continue
            reason = self._options.filters.reason_against(summary)
            if reason:
                self._result.left_out[reason] += 1
            else:
                candidates.append(Candidate(bag, summary.task))
        return candidates

    def _nothing(self, reason: str) -> str:
        lines = [reason]
        lines += [f"left out: {n} with {why}" for why, n in sorted(self._result.left_out.items())]
        lines += [f"{path}: {why}" for path, why in self._result.rejected.items()]
        return "\n".join(lines)

    def _control_rate(self, candidates: list[Candidate]) -> float:
        rates = {load_task(task).control_rate for task in {c.task for c in candidates}}
        if len(rates) > 1:
            raise ConversionError(
                f"tasks of different control rates {sorted(rates)} do not fit into one dataset"
            )
        return rates.pop()

    def _find_cameras(self, candidates: list[Candidate]) -> dict[str, str]:
        """Features by topic, as the first readable bag has them; every other bag must have them too."""
        for candidate in candidates:
            try:
                kinds = {topic: kind for topic, kind, _, _ in raw_messages(candidate.path)}
            except FileNotFoundError:
                continue
            topics = {topic for topic, kind in kinds.items() if kind == WRIST_IMAGE.type}
            if not topics:
                continue
            names = camera_names(topics)
            wanted = (
                {POLICY_CAMERA, *self._options.cameras}
                if self._options.cameras
                else set(names.values())
            )
            if not wanted <= set(names.values()):
                raise ConversionError(
                    f"no camera {wanted - set(names.values())}; there are: {sorted(names.values())}"
                )
            return {topic: name for topic, name in names.items() if name in wanted}
        raise ConversionError(self._nothing("no bag has an image"))

    def _write_split(
        self, folder: Path, name: str, chosen: list[Candidate], bar: object
    ) -> list[int]:
        """Write a split's shards; returns the number of episodes of each."""
        size = self._options.shard_episodes
        parts = [chosen[i : i + size] for i in range(0, len(chosen), size)]
        lengths = []
        for index, part in enumerate(parts):
            file = folder / rlds.shard_name(self._options.out.name, name, index, len(parts))
            with file.open("wb") as stream:
                count = 0
                for candidate in part:
                    episode = self._read(candidate)
                    if episode is not None:
                        write_record(stream, rlds.to_example(episode))
                        self._motions.append((episode.action, episode.state))
                        self._result.steps += len(episode)
                        count += 1
                    if self._progress is not None:
                        self._progress.advance(bar)  # type: ignore[arg-type]
            lengths.append(count)
            self._result.episodes[name] += count
        return lengths

    def _read(self, candidate: Candidate) -> Episode | None:
        try:
            episode = read_episode(candidate.path, self._options.image_format, self._cameras)
            for camera, images in episode.images.items():
                shape = image_codec.shape(images[0])
                if self._shapes.setdefault(camera, shape) != shape:
                    raise BadBag(
                        f"images of {camera} are {shape}, those before {self._shapes[camera]}"
                    )
            return episode
        except BadBag as error:
            self._result.rejected[str(candidate.path)] = str(error)
            return None

    def _finish(self, workplace: Path, lengths: dict[str, list[int]], rate: float) -> None:
        options = self._options
        contract = {
            "control_rate_hz": rate,
            "action": {
                "names": ACTION,
                "frame": "TCP (fr3_hand_tcp), motion per control step",
                "gripper": "absolute: 1 open, 0 closed",
                "teacher_units": "teacher/mean and teacher/log_std are of a Gaussian before tanh; "
                "tanh of a sample times episode_metadata/{translation,rotation}_scale is an action",
            },
            "state": {
                "names": PROPRIOCEPTION,
                "frame": "pose relative to the reset pose, the rest in the TCP",
            },
            "cameras": {name: topic for topic, name in sorted(self._cameras.items())},
            "image_format": str(options.image_format),
            "filters": asdict(options.filters),
            "val_fraction": options.val,
            "rejected": {
                bag_name(Path(p)): why for p, why in sorted(self._result.rejected.items())
            },
        }
        leaves = rlds.features(self._shapes, options.image_format.name)
        # The final name is taken only by a folder that is whole.
        whole = workplace.with_name(f".{rlds.VERSION}.whole")
        rlds.write_metadata(workplace, leaves, lengths, contract)
        statistics.write(rlds.Dataset(workplace), self._motions)
        if self.folder.exists():
            shutil.rmtree(whole, ignore_errors=True)
            self.folder.rename(whole)
        workplace.rename(self.folder)
        shutil.rmtree(whole, ignore_errors=True)


def parse(arguments: list[str] | None) -> tuple[Options, list[Path]]:
    """Options and paths of a command line."""
    parser = argparse.ArgumentParser(
        prog="convert",
        description="Bags to an RLDS dataset that TensorFlow Datasets, Octo and OpenVLA read.",
    )
    parser.add_argument("bags", nargs="+", type=Path, help="bags, folders of bags, or runs")
    parser.add_argument("--out", type=Path, required=True, help="data/<name>")
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        help="demonstration, policy or evaluation; may be repeated",
    )
    parser.add_argument(
        "--status",
        action="append",
        choices=(*STATUSES, "all"),
        help="may be repeated; success alone by default",
    )
    parser.add_argument(
        "--task", action="append", default=[], help="family or family/variant; may be repeated"
    )
    parser.add_argument("--count", type=int, help="at most so many episodes, evenly over the tasks")
    parser.add_argument(
        "--val", type=float, default=0.1, help="fraction of the episodes for the split val (0.1)"
    )
    parser.add_argument(
        "--image-format",
        type=ImageFormat.parse,
        default=ImageFormat(),
        help="png (lossless), jpeg or jpeg:<quality>",
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        help="feature to keep beside 'image'; all by default",
    )
    parser.add_argument("--shard-episodes", type=int, default=100, help="episodes per file (100)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing dataset")
    given = parser.parse_args(arguments)
    if given.count is not None and given.count < 2:
        parser.error("--count must be 2 or more: the splits train and val share the episodes")
    if given.shard_episodes < 1:
        parser.error("--shard-episodes must be 1 or more")
    statuses = tuple(given.status or ("success",))
    filters = Filters(
        sources=tuple(given.source),
        statuses=() if "all" in statuses else statuses,
        tasks=tuple(given.task),
        count=given.count,
    )
    options = Options(
        out=given.out.absolute(),
        filters=filters,
        val=given.val,
        image_format=given.image_format,
        cameras=tuple(given.camera),
        shard_episodes=given.shard_episodes,
        overwrite=given.overwrite,
    )
    return options, given.bags


def tell(console: Console, result: Result, options: Options, seconds: float) -> None:
    """Print what became of the bags."""
    for reason, count in sorted(result.left_out.items()):
        console.print(f"left out: {count} with {reason}", highlight=False)
    for path, reason in result.rejected.items():
        console.print(f"[red]rejected[/red] {path}: {reason}", highlight=False, soft_wrap=True)
    folder = options.out / rlds.VERSION
    size = sum(file.stat().st_size for file in folder.iterdir())
    episodes = sum(result.episodes.values())
    splits = ", ".join(f"{name} {count}" for name, count in result.episodes.items())
    console.print(
        f"{folder}: {episodes} episodes ({splits}), {result.steps} steps, {size / 1e6:.1f} MB, "
        f"images {options.image_format}, {seconds:.1f} s ({result.steps / seconds:.0f} steps/s)",
        highlight=False,
        soft_wrap=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 all converted, 1 nothing converted, 3 some bags were rejected and the rest converted."""
    options, paths = parse(arguments)
    console = Console(stderr=True)
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            result = Converter(options, progress).run(paths)
    except ConversionError as error:
        console.print(
            f"convert: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        return 1
    except OSError as error:
        console.print(
            f"convert: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        return 1
    tell(console, result, options, time.monotonic() - started)
    return 3 if result.rejected else 0


if __name__ == "__main__":
    sys.exit(main())
