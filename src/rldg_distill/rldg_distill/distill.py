# SPDX-License-Identifier: Apache-2.0
"""`distill`: datasets into a student."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text
from torch.distributed.device_mesh import init_device_mesh

from rldg_core.commands.argument_types import place
from rldg_core.commands.command_line import USAGE, Parser, UsageError, command, pointless
from rldg_core.commands.console import SlowLines, plain_console
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import read_json
from rldg_core.files.safe_name import UnsafeName, check_name
from rldg_core.user_error import UserError
from rldg_distill.datasets.mixture import Mixture
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.students import registry
from rldg_distill.students.card import CARD
from rldg_distill.students.student import Student, StudentConfig
from rldg_distill.training import distributed, student_report
from rldg_distill.training.config_options import add_options, option_name
from rldg_distill.training.distributed import World
from rldg_distill.training.held_out import HeldOut
from rldg_distill.training.loader import Assembler, Loader
from rldg_distill.training.sharding import shard
from rldg_distill.training.student_run import StudentRun, StudentRunError
from rldg_distill.training.trainer import Trainer, TrainingError, computes_in_bf16, prepare
from rldg_distill.training.training_config import TrainingConfig, plain
from rldg_distill.training.training_data import TrainingData, open_data

DEFAULT = "default"
"""the recipe where none is asked for"""


@dataclass(frozen=True)
class TrainingJob:
    """A command line, understood."""

    data: tuple[Path, ...]
    run: StudentRun
    student: type[Student]
    config: StudentConfig
    training: TrainingConfig


def parse(arguments: list[str]) -> TrainingJob:
    """Understand a command line; ends the program with a message where it cannot be.

    The student decides which options there are: its own configuration is part of them.
    """
    parser = Parser(
        prog="distill",
        description="Train a student on datasets. The same command resumes after a stop or a kill. "
        "Options and defaults below are those of the student, size and recipe that are given.",
    )
    parser.add_argument("data", nargs="+", type=place, help="data/<name>, one or more")
    parser.add_argument("--student", required=True, help=f"one of: {', '.join(registry.names())}")
    parser.add_argument("--size", help="of the network; the student's first by default")
    parser.add_argument("--name", help="of the run; student, size and data by default")
    parser.add_argument(
        "--runs", type=place, default=Path("runs"), help="folder of the runs (runs)"
    )
    parser.add_argument(
        "--recipe", default=DEFAULT, help="values for the options below that are not given"
    )
    # The first look finds the student alone, so that the second knows its options.
    first = Parser("distill", add_help=False)
    for option in ("--student", "--size", "--recipe"):
        first.add_argument(option)
    known, _ = first.parse_known_args(arguments)
    if known.student is None:
        parser.parse_args(arguments)
    try:
        kind = registry.student_class(known.student)
        size = _one_of("size", known.size or kind.sizes[0], kind.sizes)
        training, config = defaults(kind, size, known.recipe or DEFAULT)
    except ValueError as error:
        parser.error(str(error))
    add_options(parser.add_argument_group("training"), training)
    add_options(parser.add_argument_group(f"student {kind.name}"), config, hidden=("size",))
    given = vars(parser.parse_args(arguments)) | {"size": size}
    try:
        training, config = _with(training, given), _with(config, given)
        if training.init is not None:
            training = replace(training, init=_checkpoint_of(training.init))
        if training.loss:
            _one_of("loss", training.loss, kind.losses)
    except ValueError as error:
        parser.error(str(error))
    idle = training.idle(len(given["data"])) | config.idle(begun=training.init is not None)
    for name in sorted(idle.keys() & parser.typed(arguments)):
        parser.error(str(pointless(option_name(name), idle[name], "Leave it out")))
    names = "_".join(path.name for path in given["data"])
    try:
        name = check_name(given["name"] or f"{kind.name}_{size}_{names}", "--name")
    except UnsafeName as error:
        parser.error(str(error))
    run = StudentRun(given["runs"] / name)
    return TrainingJob(tuple(given["data"]), run, kind, config, training)


def defaults(
    kind: type[Student], size: str, recipe: str = DEFAULT
) -> tuple[TrainingConfig, StudentConfig]:
    """What holds where nothing else is asked for: a size's configuration, and over it the recipe.

    Raises:
        ValueError: the student has no such recipe.
    """
    known = {DEFAULT, *(name for name in kind.recipes if "/" not in name)}
    known |= {name.removesuffix(f"/{size}") for name in kind.recipes if name.endswith(f"/{size}")}
    _one_of("recipe", recipe, tuple(sorted(known)))
    values = {**kind.recipes.get(recipe, {}), **kind.recipes.get(f"{recipe}/{size}", {})}
    return _with(TrainingConfig(), values), _with(kind.configure(size), values)


def _checkpoint_of(init: Path) -> Path:
    """The student of a distillation's run; any other folder is itself the checkpoint."""
    student = StudentRun(init).student
    return student if (student / CARD).is_file() else init


Config = TypeVar("Config", TrainingConfig, StudentConfig)


def _with(config: Config, values: Mapping[str, Any]) -> Config:
    """The same with those values that are its fields; lists as the tuples that they are."""
    names = {field.name for field in fields(config)}
    changed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in names
    }
    return replace(config, **changed)


def _one_of(what: str, value: str, valid: tuple[str, ...]) -> str:
    if value not in valid:
        raise ValueError(f"no {what} '{value}'; there are: {', '.join(valid)}")
    return value


def device_of(training: TrainingConfig) -> str:
    """Where to compute: cpu or cuda.

    Raises:
        UsageError: cuda was asked for and is not there.
    """
    if training.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no GPU that torch can use: --device cpu")
    return "cuda" if training.device != "cpu" and torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class TrainingSettings:
    """What a run was begun with."""

    student: str
    config: dict[str, Any]
    training: dict[str, Any]
    data: dict[str, str]
    """fingerprint by name"""


def settle_settings(job: TrainingJob, data: TrainingData) -> None:
    """Keep the options of a new run, or check that a resumed one has the same.

    Raises:
        StudentRunError: it has not.
        FormatError: the old ones are damaged.
    """
    path = job.run.settings
    settings = {
        "student": job.student.name,
        "config": plain(job.config),
        "training": plain(job.training),
        "data": data.card.fingerprints,
    }
    if path.is_file() and job.run.student_training.is_file():
        before = read_json(
            path, TrainingSettings, fix="Delete the run's folder, or give another --name"
        )
        differences = job.training.differences(before.training)
        differences += [
            f"{key}: {getattr(before, key)} -> {settings[key]}"
            for key in ("student", "config")
            if getattr(before, key) != settings[key]
        ]
        given = data.card.fingerprints
        if list(before.data.items()) != list(given.items()):  # weights go by their order
            differences.append(f"data: {before.data} -> {given}")
        if differences:
            raise StudentRunError(
                f"{job.run.path} was started with other values:\n  "
                + "\n  ".join(differences)
                + "\nGive the same, or another --name"
            )
    write_atomically(path, json.dumps(settings, indent=2) + "\n")


def make_student(job: TrainingJob, data: TrainingData, world: World) -> Student:
    """The student with its first weights, the same in every process.

    Raises:
        StudentError: it cannot be made, or not be divided.
    """
    training = job.training
    if not training.shard:
        return new_student(job, data).to(world.device)
    mesh = init_device_mesh(world.device.type, (world.ranks,))
    with world.turn():  # main memory then holds one that is not divided yet
        student = new_student(job, data)
        shard(student, mesh, computes_in_bf16(training, world.device))
    return student


def new_student(job: TrainingJob, data: TrainingData) -> Student:
    """As its seed and its first checkpoint have it, in main memory."""
    torch.manual_seed(job.training.seed)
    student = job.student.create(job.config, data.card, job.training.init)
    prepare(student, job.training)
    return student


def make_trainer(
    job: TrainingJob,
    data: TrainingData,
    student: Student,
    world: World,
    on_line: Callable[[dict[str, Any]], None],
) -> Trainer:
    """The training of an order; begun, or where its checkpoint left it."""
    training, config = job.training, job.config
    cameras = list(student.image_sizes)
    loader = Loader(
        Assembler(data.train, cameras, config.window, config.chunk, training.cache * 1_000_000),
        Mixture(data.train.sizes, training.weights or None, training.seed),
        training.batch_size,
        training.workers or spare_cores(world.ranks),
        world.rank,
        world.ranks,
        pin=world.device.type == "cuda",
    )
    held_out = HeldOut(
        Assembler(data.val, cameras, config.window, config.chunk),
        len(data.val),
        training.validate_samples,
        training.batch_size,
    )
    trainer = Trainer(training, student, loader, held_out, job.run, world, on_line)
    if job.run.student_training.is_file():
        trainer.resume()
    return trainer


def spare_cores(ranks: int) -> int:
    """Cores per process that a training leaves to its loader."""
    return min(8, max(1, (os.cpu_count() or 1) // ranks - 1))


class Display:
    """Progress in the terminal; silent in all processes but one."""

    def __init__(self, console: Console, world: World) -> None:
        """Show nothing yet."""
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (world.leads and console.is_terminal),
        )
        self._leads = world.leads
        self._note = ""

    @contextmanager
    def task(self, what: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
        """Show a task; the function that it gives sets how much is done and what is to be said of it."""
        task = self._bar.add_task(what, total=total, completed=done, note="")
        lines = SlowLines(self._console)

        def show(count: int, note: str) -> None:
            self._bar.update(task, completed=count, note=note)
            if self._leads:
                lines.say(lambda: f"{what}: {count}{f' of {total}' if total else ''}  {note}")

        with self._bar:
            yield show
        self._bar.remove_task(task)

    def say(self, text: str) -> None:
        """One line that stays."""
        if self._leads:
            self._console.print(text)


def note(line: dict[str, Any]) -> str:
    """A point of the loss curve in few words."""
    return f"loss {line['loss']:.4g}  {line['samples_per_second']:.0f} samples/s"


def spoken(line: dict[str, Any]) -> str:
    """A validation in one line."""
    judged = line["validation"]
    off = judged["first_action_error"]
    errors = ", ".join(f"{error:.2f}" for error in off.values())
    units = ", ".join(dict.fromkeys(name.partition(" [")[2].rstrip("]") or name for name in off))
    return f"update {line['step']}: validation loss {judged['loss']:.4g}, action off by {errors} [{units}]"


def summary_table(summary: Mapping[str, Any], run: StudentRun) -> Table:
    """What came out, for the terminal."""
    rows = Table(show_header=False, title=f"{summary['student']} {summary['config']['size']}")
    judged = summary["validation"]
    rows.add_row("updates", f"{summary['steps']} of {summary['training']['steps']}")
    rows.add_row(
        "parameters",
        f"{summary['trained_parameters']:,} trained of {summary['parameters']:,}",
    )
    if summary["training_loss"] is not None:
        speed, seconds = summary["samples_per_second"], summary["wall_seconds"]
        rows.add_row("speed", f"{speed} samples/s, {seconds:.0f} s")
        rows.add_row(f"loss ({summary['loss_kind']})", f"{summary['training_loss']:.4g}")
    rows.add_row("validation loss", f"{judged['loss']:.4g}")
    for name, first in judged["first_action_error"].items():
        chunk = judged["action_error"][name]
        rows.add_row(Text(f"error {name}"), f"{first:.3g} first action, {chunk:.3g} whole chunk")
    if run.student.is_dir():
        rows.add_row("student", str(run.student))
    return rows


def work(job: TrainingJob, world: World, console: Console) -> int:
    """One process of the training."""
    display = Display(console, world)
    with display.task("reading", 0) as show:
        count = iter(range(1, sys.maxsize))
        data = open_data(job.data, lambda: show(next(count), "episodes"))
    student = make_student(job, data, world)
    display.say(
        f"{student.name} {job.config.size} on {world.device}: {len(data.train)} steps of "
        f"{len(data.train.episodes)} episodes, {len(data.val)} steps held out"
    )
    if unseen := student.never_shown():
        display.say(f"{unseen}. Trained all the same, for use elsewhere")
    with job.run.claimed() if world.leads else nullcontext():
        trainer = train(job, data, student, world, display)
        if world.leads:
            summary = student_report.summarize_training(trainer, finished=not trainer.stopped)
            student_report.write(job.run, summary)
            console.print(summary_table(summary, job.run))
    if trainer.stopped:
        display.say("stopped; the same command resumes")
    return 130 if trainer.stopped else 0


def train(
    job: TrainingJob, data: TrainingData, student: Student, world: World, display: Display
) -> Trainer:
    """Train to the end; only the leading process writes, and has the run's folder already.

    Raises:
        TrainingError: the training cannot go on; the message says why.
    """
    if world.leads:
        settle_settings(job, data)
    world.wait()
    with display.task("training", job.training.steps) as show:

        def on_line(line: dict[str, Any]) -> None:
            if "validation" in line:
                display.say(spoken(line))
            else:
                show(line["step"], note(line))

        trainer = make_trainer(job, data, student, world, on_line)
        if trainer.progress.step:
            display.say(f"resuming after update {trainer.progress.step}")
        with _stopping(trainer), trainer.loader:
            try:
                trainer.train()
            except (UserError, ValueError) as error:
                raise TrainingError(str(error)) from error
    return trainer


@contextmanager
def _stopping(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C ends the training behind the present update; of several processes it ends all at once."""
    if trainer.world.ranks > 1:
        yield
        return

    def stop(*_: object) -> None:
        trainer.stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def spread(job: TrainingJob, arguments: list[str]) -> None:
    """Become torchrun where several processes are to train; returns where one is enough."""
    device = device_of(job.training)
    wanted = job.training.processes
    count = wanted or (torch.cuda.device_count() if device == "cuda" else 1)
    if count > 1 and not distributed.is_started():
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command = [sys.executable, *torchrun, "-m", "rldg_distill.distill", *arguments]
        os.execv(sys.executable, command)


@command("distill")
def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 trained, 1 the training failed, 2 a person has to change something first, 130 stopped."""
    given = sys.argv[1:] if arguments is None else arguments
    job = parse(given)
    console = plain_console(stderr=True)
    try:
        for path in job.data:
            Dataset(path)  # reported once, not by every process
        spread(job, given)
        world = distributed.enter(device_of(job.training))
        if job.training.shard and world.ranks == 1:
            raise UsageError(
                "--shard divides a student among processes, and there is one: --processes 2 or more, one GPU each, or "
                "--no-shard"
            )
        return work(job, world, console)
    except (UserError, ValueError, OSError) as error:
        console.print(f"distill: {error}", style="red")
        return 1 if isinstance(error, (TrainingError, OSError)) else USAGE
    except KeyboardInterrupt:  # before the training, which ends behind its update instead
        console.print("distill: stopped")
        return 130
    finally:
        distributed.leave()


if __name__ == "__main__":
    sys.exit(main())
