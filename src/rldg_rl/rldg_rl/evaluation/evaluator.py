# SPDX-License-Identifier: Apache-2.0
"""`evaluator`: a policy is judged without ROS, in as many processes as there are cores, or on a Ray cluster."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from rldg_core.commands.argument_types import name_of, ray_address, seed_value, whole
from rldg_core.commands.command_line import Parser, command, pointless
from rldg_core.commands.console import plain_console
from rldg_core.commands.visible import tell_error
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.claim import Claim
from rldg_core.perturbation import EXAMPLE, help_text, read_perturbation
from rldg_core.task import UnknownTask, named_tasks
from rldg_core.user_error import UserError
from rldg_core.workers.pool import PoolError, in_processes
from rldg_core.workers.ray_pool import on_ray
from rldg_rl.episodes.trial import Trial
from rldg_rl.evaluation.evaluation import Assignment, live, relive
from rldg_rl.evaluation.meter import EpisodeMeter
from rldg_rl.evaluation.results import Record, RecordFile, summarize_records, worth_filming
from rldg_rl.monitor import outcome
from rldg_rl.named_run import named_run
from rldg_rl.policies.acting_options import add_acting_options
from rldg_rl.policies.chunks import Execution
from rldg_rl.report import note_evaluation
from rldg_rl.run_folder import RunFolder
from rldg_rl.video import write_video

TRIALS_PER_WORKER = 10
"""what a worker must have to do to be worth its start"""
EPILOG = """\
It leaves, in <run>/evaluations/<name>/:
  episodes.jsonl   one line per episode: outcome, time, greatest force and torque, class of the failure
  summary.json     success with its 95 % interval, cycle time, wrench, failures; per task, seen and unseen
  videos/          the first failures; where there are none, the first successes

Ctrl-C at any moment: the same command with that --name resumes. The same seed gives every policy the same starts, so
two evaluations can be compared episode by episode: ./rldg compare <run> <run>

examples:
  evaluator runs/vga --task connector/vga                            20 episodes of its own task
  evaluator runs/pupil --task connector --episodes 200               200 of every connector
  evaluator runs/pupil --task connector/unseen --name new            of those that no specialist has seen
  evaluator runs/pupil --task connector/seen,connector/xlr --ray auto
  evaluator runs/pupil --task connector/vga --perturb light:0.5,camera:5mm
"""


@dataclass(frozen=True)
class EvaluationJob:
    """What is to be found out."""

    run: Path
    """whose policy is judged"""
    name: str
    """of the evaluation"""
    tasks: tuple[str, ...]
    """family/variant each"""
    episodes: int
    """of every task"""
    assignment: Assignment
    workers: int
    """processes; 0: one for every core, but no more than the episodes are worth"""
    ray: str
    """address of a cluster that does it instead; empty: none"""
    video: bool

    @property
    def folder(self) -> RunFolder:
        """Where everything of it lies."""
        return RunFolder(RunFolder(self.run).evaluations / self.name)

    @property
    def trials(self) -> list[Trial]:
        """All episodes, the tasks in turn."""
        return [Trial(task, number) for number in range(self.episodes) for task in self.tasks]

    def config(self) -> dict[str, object]:
        """All that the episodes depend on, for people and for whoever goes on."""
        judged, policy = self.assignment, self.assignment.policy
        newest = max(path.stat().st_mtime for path in (policy, *policy.glob("*")))
        return {
            "transport": "direct",
            "policy": str(policy),
            "policy_written": datetime.fromtimestamp(newest).isoformat(),
            "seed": judged.seed,
            "deterministic": judged.deterministic,
            "replan": judged.execution.horizon,
            "ensemble": judged.execution.ensemble,
            "randomize": judged.randomize,
            "perturb": str(judged.perturbation) or None,
        }


def parse(arguments: Sequence[str] | None) -> EvaluationJob:
    """The job of a command line.

    Raises:
        UserError: the run has no policy, or there is no such perturbation; an option would change nothing.
        UnknownTask: a name that means no task.
    """
    parser = Parser(
        prog="evaluator",
        description="Judge a trained policy on the twin, without ROS: the same episodes as in lockstep, bit for bit.",
        epilog=f"{EPILOG}\n{help_text()}\n",
    )
    add = parser.add_argument
    add(
        "run",
        help="whose policy is judged, a specialist's or a student's: its folder, or its name in runs",
    )
    add(
        "--name",
        type=name_of("a name"),
        help="of the evaluation; that of an earlier one resumes it (the time of its start)",
    )
    add(
        "--perturb",
        metavar="AXIS:VALUE,...",
        default="",
        help=f"make the robot's world harder, such as {EXAMPLE}; the axes are listed below",
    )
    add("--no-video", dest="video", action="store_false", help="film nothing")
    add_settings(parser, episodes=20)
    given = parser.parse_args(arguments)
    name = given.name or f"{datetime.now():%Y%m%d_%H%M%S}"
    return order_of(given, named_run(given.run), name, given.perturb, given.video)


def add_settings(parser: Parser, episodes: int) -> None:
    """The options of everybody who evaluates; `order_of` reads them."""
    add = parser.add_argument
    add(
        "--task",
        required=True,
        help="family/variant; family; family/seen; family/unseen; several with commas",
    )
    add("--episodes", type=whole(1), default=episodes, help=f"of every task ({episodes})")
    add("--seed", type=seed_value, default=0, help="of the starts (0)")
    add_acting_options(parser)
    add("--randomize", action="store_true", help="other light, colours, textures, camera pose")
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--workers", type=whole(0, 1024), default=0, help="processes; 0: one for every core (0)"
    )
    place.add_argument(
        "--ray",
        type=ray_address,
        metavar="ADDRESS",
        help="a Ray cluster: host:port, or auto",
    )


def order_of(
    given: argparse.Namespace, run: Path, name: str, perturbation: str, video: bool
) -> EvaluationJob:
    """The job that follows from the options of `add_settings`.

    Raises:
        UserError, UnknownTask: see `parse`.
    """
    tasks = tuple(named_tasks(given.task))
    perturbed = read_perturbation(perturbation, randomize=given.randomize)
    policy = policy_of(run)
    check_policy_kind(given, policy)
    return EvaluationJob(
        run=run,
        name=name,
        tasks=tasks,
        episodes=given.episodes,
        assignment=Assignment(
            perturbation=perturbed,
            policy=policy,
            seed=given.seed,
            execution=Execution(given.replan, given.ensemble),
            deterministic=given.deterministic,
            randomize=given.randomize,
        ),
        workers=given.workers,
        ray=given.ray or "",
        video=video,
    )


def check_policy_kind(given: argparse.Namespace, policy: Path) -> None:
    """Check that the policy is of the kind that the options of `add_settings` are for.

    Raises:
        UsageError: it is not.
    """
    student = policy.is_dir()
    fix = "Leave it out"
    if student and given.deterministic:
        raise pointless("--deterministic", f"it is for specialists, {policy} is a student", fix)
    for option, typed in (("--replan", given.replan != 1), ("--ensemble", given.ensemble)):
        if typed and not student:
            raise pointless(option, f"it is for students, {policy} is a specialist", fix)


def policy_of(run: Path) -> Path:
    """The trained policy of a run: a specialist's file, or a student's folder.

    Raises:
        UserError: there is none.
    """
    places = RunFolder(run).policies
    for path in places:
        if path.exists():
            return path
    raise UserError(f"{run} has no trained policy: there is no {' and no '.join(map(str, places))}")


def evaluate(job: EvaluationJob, console: Console) -> list[Record]:
    """Run what is missing of an evaluation, and report; the tasks in turn.

    Raises:
        UserError: the policy does not fit, or the folder belongs to another evaluation.
        PoolError: a worker died, or there is no cluster.
        OSError: the disk is full, or the like.
    """
    folder = job.folder
    folder.videos.mkdir(parents=True, exist_ok=True)
    refusal = f"{folder.path} is being written: wait for it, or give another name"
    with Claim(folder.path, refusal):
        config = job.config()
        folder.settle_config(config, fixed=tuple(config))
        records = RecordFile(folder.records)
        done = {(record.task, record.number) for record in records.mend()}
        missing = [t for t in job.trials if (t.task, t.number) not in done]
        live_all(job, missing, records, console)
        return report(job, console)


def live_all(
    job: EvaluationJob, missing: list[Trial], records: RecordFile, console: Console
) -> None:
    """Run episodes, and keep what came of each at once."""
    folder, started = job.folder, time.monotonic()
    before = folder.wall_seconds()
    with EpisodeMeter(console, len(job.trials), len(job.trials) - len(missing)) as meter:
        for record in run_trials(job, missing):
            records.add(record)
            folder.keep_wall_seconds(before + time.monotonic() - started)
            meter.count(record.success)


def run_trials(job: EvaluationJob, trials: list[Trial]) -> Iterator[Record]:
    """Run episodes wherever they are to be run; in the order of their ends."""
    work = partial(live, assignment=job.assignment)
    if job.ray:
        return on_ray(trials, work, job.ray)
    cores = len(os.sched_getaffinity(0))
    workers = job.workers or min(cores, len(trials) // TRIALS_PER_WORKER)
    if min(workers, len(trials)) > 1:
        return in_processes(trials, work, workers)
    return (record for trial in trials for record in work(trial))


def report(job: EvaluationJob, console: Console) -> list[Record]:
    """Write what came out, and film it."""
    folder = job.folder
    by_trial = {(r.task, r.number): r for r in RecordFile(folder.records).read()}
    records = [by_trial[trial.task, trial.number] for trial in job.trials]
    summary = {
        "task": ",".join(job.tasks),
        **job.config(),
        "wall_seconds": folder.wall_seconds(),
        "sim_seconds": round(sum(record.seconds for record in records), 1),
        **summarize_records(records),
    }
    write_atomically(folder.summary, json.dumps(summary, indent=2) + "\n")
    if job.assignment.policy.is_dir():
        note_evaluation(RunFolder(job.run), folder)
    if job.video:
        film(job, records, console)
    return records


def film(job: EvaluationJob, records: list[Record], console: Console) -> None:
    """The first failures, or successes, run once more."""
    wanted = worth_filming(records)
    clips = [clip for record in wanted if (clip := relive(job.assignment, record))]
    write_video(job.folder.videos / "evaluation.mp4", clips)
    if len(clips) < len(wanted):
        console.print(
            f"{len(wanted) - len(clips)} episodes are not in the video: run again, they went differently"
        )


@command("evaluator")
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 a worker died, 2 a person has to change something, 130 stopped."""
    console = plain_console()
    try:
        job = parse(arguments)
    except (UserError, UnknownTask) as error:
        return fail("evaluator", error, 2)

    def work() -> None:
        evaluate(job, console)
        console.print(outcome(job.folder.path))

    return exit_code("evaluator", work, f"the same command with --name {job.name} resumes")


def exit_code(program: str, work: Callable[[], None], goes_on: str) -> int:
    """Of some work: its errors are printed, and how it goes on after Ctrl-C. See `main`."""
    try:
        work()
    except PoolError as error:
        return fail(program, error, 1)
    except (UserError, OSError) as error:
        return fail(program, error, 2)
    except KeyboardInterrupt:
        plain_console().print(f"{program}: stopped; {goes_on}")
        return 130
    return 0


def fail(program: str, error: Exception, code: int) -> int:
    """Tell an error; returns the exit code."""
    tell_error(program, error)
    return code


if __name__ == "__main__":
    sys.exit(main())
