# SPDX-License-Identifier: Apache-2.0
"""`convert`: bags to an RLDS dataset in the layout of TensorFlow Datasets, or to a LeRobot dataset."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rldg_core.arm_spaces import ARM
from rldg_core.commands.command_line import UsageError, command
from rldg_core.commands.console import SlowLines, plain_console
from rldg_core.image_contract import ImageContract
from rldg_core.workers.pool import PoolError, in_processes
from rldg_core.workers.ray_pool import on_ray
from rldg_distill.conversion.options import Options, parse
from rldg_distill.conversion.outcome import ShardResult, read_motion, read_outcome
from rldg_distill.conversion.plan import ConversionError, ConversionPlan, make_conversion_plan
from rldg_distill.conversion.shard import Shard, write_shard
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.datasets import rlds, statistics
from rldg_distill.recordings.foreign.foreign_bag import ForeignBag
from rldg_distill.recordings.foreign.resampling import RULE
from rldg_distill.recordings.identity import bag_name

BAGS_PER_WORKER = 60
"""what a worker must have to do to be worth its start"""


@dataclass
class Result:
    """What became of the bags."""

    lengths: dict[str, list[int]] = field(default_factory=dict)
    """episodes of every shard by split"""
    steps: int = 0
    steps_before: int = 0
    """how many of them an earlier conversion, which was killed, had written"""
    left_out: Counter[str] = field(default_factory=Counter)
    """number of bags by the filter that left them out"""
    rejected: dict[str, str] = field(default_factory=dict)
    """reason by path"""
    recordings: dict[Path, ForeignBag] = field(default_factory=dict)
    """what bags made elsewhere are taken for, of those in the dataset"""
    left_out_topics: dict[str, str] = field(default_factory=dict)
    """why by image topic"""
    image_contract: str = ""
    """see `Plan.image_contract`"""
    remarks: dict[str, str] = field(default_factory=dict)
    """what of a bag in the dataset was left out, or how it was read, by path"""
    twins: dict[Path, Path] = field(default_factory=dict)
    """a bag that was given twice, under the other path"""

    @property
    def empty(self) -> list[str]:
        """Splits without an episode."""
        return [split for split, counts in self.lengths.items() if not sum(counts)]


class Converter:
    """Converts one list of bags."""

    def __init__(self, options: Options, progress: Progress | None = None) -> None:
        """Check the options.

        Raises:
            UsageError: the dataset exists, or has an impossible name.
        """
        try:
            rlds.check_dataset_name(options.out.name)
        except ValueError as error:
            raise UsageError(str(error)) from error
        self._options = options
        self._progress = progress or Progress(disable=True)
        self._workplace = Workplace(options.out)
        if options.folder.exists() and not options.overwrite:
            raise UsageError(f"{options.folder} exists. Give another name, or --overwrite")

    def run(self, paths: Iterable[Path]) -> Result:
        """Convert; the dataset appears under its name only when it is whole.

        Raises:
            ConversionError: nothing to convert, or a worker died.
            OSError: the disk is full, or the like.
        """
        paths = list(paths)
        plan = make_conversion_plan(paths, self._options)
        with self._workplace.claimed():
            first = plan.fingerprint()
            if without := self._workplace.found_bad(first):
                plan = make_conversion_plan(paths, self._options, without)
            while (result := self._carried_out(plan, first)).empty:
                # Whether a bag can be read shows when it is: without those that cannot, the rest is shared out anew.
                self._workplace.keep_bad(first, result.rejected)
                plan = make_conversion_plan(paths, self._options, result.rejected)
            self._finish(plan, result)
        return result

    def _carried_out(self, plan: ConversionPlan, first: str) -> Result:
        """What became of the bags of a plan; `first` is the fingerprint of the one that these bags began with."""
        self._workplace.resume(plan.fingerprint(), first)
        done = self._outcomes(plan)
        if done:
            said = f"going on: {len(done)} of {len(plan.shards)} shards are done"
            self._progress.console.print(said)
        self._write(plan, done)
        result = self._gather(plan)
        result.steps_before = sum(outcome.steps for outcome in done.values())
        return result

    def _outcomes(self, plan: ConversionPlan) -> dict[Shard, ShardResult]:
        """Of the shards that are finished."""
        outcomes = ((shard, read_outcome(self._workplace, shard.name)) for shard in plan.shards)
        return {shard: outcome for shard, outcome in outcomes if outcome}

    def _write(self, plan: ConversionPlan, done: Collection[Shard]) -> None:
        """Write the shards that are not there yet."""
        bags = sum(len(shard.bags) for shard in plan.shards)
        bar = self._progress.add_task(
            "converting", total=bags, completed=sum(len(shard.bags) for shard in done)
        )
        missing = [shard for shard in plan.shards if shard not in done]
        lines, before = SlowLines(self._progress.console), sum(len(s.bags) for s in done)
        try:
            for count, _ in enumerate(self._written_bags(plan, missing), before + 1):
                self._progress.advance(bar)
                lines.say(partial("converting: {} of {}".format, count, bags))
        except PoolError as error:
            raise ConversionError(str(error)) from error

    def _written_bags(self, plan: ConversionPlan, shards: list[Shard]) -> Iterator[Path]:
        work = partial(write_shard, recipe=plan.recipe, workplace=self._workplace)
        if self._options.ray:
            return on_ray(shards, work, self._options.ray)
        workers = self._options.workers or worker_count(shards)
        if min(workers, len(shards)) > 1:
            return in_processes(shards, work, workers)
        return (bag for shard in shards for bag in work(shard))

    def _gather(self, plan: ConversionPlan) -> Result:
        """Put together what the plan and its shards say."""
        outcomes = self._outcomes(plan)
        result = Result(
            left_out=plan.pile.left_out,
            rejected=dict(plan.pile.rejected),
            left_out_topics=plan.left_out_topics,
            image_contract=plan.image_contract,
            twins=plan.pile.identities.twins,
        )
        for shard in plan.shards:
            if shard not in outcomes:
                raise ConversionError(
                    f"{shard.name} was written, but is not in {self._workplace.data}: with --ray, every machine has "
                    "to see the same storage there"
                )
            outcome = outcomes[shard]
            result.lengths.setdefault(shard.split, []).append(outcome.episodes)
            result.steps += outcome.steps
            result.rejected |= outcome.rejected
            result.remarks |= outcome.remarks
        taken = {b for s in plan.shards for b in s.bags if str(b) not in result.rejected}
        for path, said in plan.pile.remarks.items():
            if Path(path) in taken:
                result.remarks[path] = "; ".join(filter(None, (said, result.remarks.get(path))))
        result.recordings = {b: r for b, r in plan.pile.recordings.items() if b in taken}
        return result

    def _finish(self, plan: ConversionPlan, result: Result) -> None:
        """Write what belongs to all shards, and let the dataset take its name."""
        leaves = rlds.features(plan.recipe.shapes, plan.recipe.image_format.name)
        data = self._workplace.data
        rlds.write_metadata(data, leaves, result.lengths, self._contract(plan, result))
        motion = statistics.joined(
            read_motion(self._workplace, shard.name) for shard in plan.shards
        )
        statistics.write(rlds.Dataset(data), motion)
        whole = self._export() if self._options.format == "lerobot" else data
        self._workplace.publish(whole, self._options.folder)

    def _export(self) -> Path:
        """Make a LeRobot dataset of the finished RLDS; returns its folder."""
        from rldg_distill.datasets import lerobot  # noqa: PLC0415 - its Arrow would slow the start of every worker

        try:
            lerobot.export(
                rlds.Dataset(self._workplace.data), self._workplace.exported, self._progress
            )
        except ValueError as error:
            raise ConversionError(str(error)) from error
        return self._workplace.exported

    def _contract(self, plan: ConversionPlan, result: Result) -> dict[str, object]:
        return {
            "control_rate_hz": plan.control_rate,
            "action": {
                **asdict(ARM.action),
                "frame": "TCP (fr3_hand_tcp), motion per control step",
                "gripper": "absolute: 1 open, 0 closed",
                "teacher_units": "teacher/mean and teacher/log_std are of a Gaussian before tanh; "
                "tanh of a sample times episode_metadata/{translation,rotation}_scale is an action",
            },
            "state": {
                **asdict(ARM.state),
                "frame": "pose relative to the reset pose, the rest in the TCP",
            },
            "cameras": {name: topic for topic, name in sorted(plan.recipe.cameras.items())},
            "image_format": str(plan.recipe.image_format),
            "image_contract": plan.image_contract or None,
            "left_out_topics": result.left_out_topics,
            "recorded": {
                "resampling": RULE,
                "told": plan.recipe.stated.to_json(),
                "bags": {
                    plan.pile.identities.name(bag): recording.to_json() | _remarks(result, bag)
                    for bag, recording in result.recordings.items()
                },
            },
            "filters": self._options.filters.to_json(),
            "val_fraction": self._options.val,
            "rejected": _named(result.rejected),
        }


def _remarks(result: Result, bag: Path) -> dict[str, str]:
    """What of a bag was left out, for the dataset's contract; most have nothing to tell."""
    return {"remarks": result.remarks[str(bag)]} if str(bag) in result.remarks else {}


def _named(rejected: Mapping[str, str]) -> dict[str, str]:
    """Reasons by the bag's name; a number tells apart those of one name, whose content could not be read."""
    named: dict[str, str] = {}
    for path, why in sorted(rejected.items()):
        name = bag_name(Path(path))
        others = sum(known.partition("#")[0] == name for known in named)
        named[f"{name}#{others + 1}" if others else name] = why
    return named


def worker_count(shards: Sequence[Shard]) -> int:
    """Processes that are worth it: one for every core, if there is enough for each."""
    bags = sum(len(shard.bags) for shard in shards)
    return max(1, min(len(os.sched_getaffinity(0)), bags // BAGS_PER_WORKER))


def print_result(console: Console, result: Result, options: Options, seconds: float) -> None:
    """Print what became of the bags."""
    for reason, count in sorted(result.left_out.items()):
        console.print(f"left out: {count} with {reason}")
    for path, reason in result.rejected.items():
        console.print(Text("rejected", "red"), f"{path}: {reason}")
    for twice, first in result.twins.items():
        console.print(f"left out: {twice} is the same recording as {first}")
    for topic, reason in sorted(result.left_out_topics.items()):
        console.print(f"left out: topic {topic}, {reason}")
    for path, remark in result.remarks.items():
        console.print(f"remark on {path}: {remark}")
    for recording, count in Counter(map(str, result.recordings.values())).items():
        console.print(f"recorded elsewhere: {count} bag(s), resampled, {recording}")
    if len({recording.pictures for recording in result.recordings.values()}) > 1:
        most = ImageContract.stored(result.image_contract)
        console.print(
            "images of several sizes: they show the same only where one camera took them in several modes. A live "
            f"camera has to give those of most: crop:={most.crop if most else ''}"
        )
    size = sum(file.stat().st_size for file in options.folder.rglob("*") if file.is_file())
    episodes = {split: sum(counts) for split, counts in result.lengths.items()}
    splits = ", ".join(f"{split} {count}" for split, count in episodes.items())
    console.print(
        f"{options.folder}: {sum(episodes.values())} episodes ({splits}), {result.steps} steps, {size / 1e6:.1f} MB, "
        f"images {options.image_format}, {seconds:.1f} s "
        f"({(result.steps - result.steps_before) / seconds:.0f} steps/s)",
    )


@command("convert")
def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 all converted, 1 tried and nothing came out, 2 a person has to change something first, 3 some bags
    were rejected and the rest converted, 130 stopped.
    """
    options, paths = parse(arguments)
    console = plain_console(stderr=True)
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress:
            result = Converter(options, progress).run(paths)
    except (ConversionError, OSError) as error:
        console.print(f"convert: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        console.print("convert: stopped. The same command resumes after the shards that are done")
        return 130
    print_result(console, result, options, time.monotonic() - started)
    return 3 if result.rejected else 0


if __name__ == "__main__":
    sys.exit(main())
