# SPDX-License-Identifier: Apache-2.0
"""Who acts: which task is done by which trained policy, or by which hand."""

from __future__ import annotations

from pathlib import Path

from rldg_bringup.arguments import StackError, Value, Values, place, suggestions
from rldg_bringup.common_arguments import MIX, PERSON, SPECIALIST, STUDENT
from rldg_bringup.operators import HANDS
from rldg_bringup.run_settings import RunArguments
from rldg_core.files.checked_file import FormatError, read_yaml
from rldg_core.run_paths import RunPaths

POLICIES = RunPaths(Path()).policies
"""In a run folder: the specialist, or the student."""
OPERATORS = {"policy": "none", "operator": "scripted"} | {hand: hand for hand in HANDS}
"""whose hand is on the SpaceMouse, by source"""


def leaders(values: Values) -> dict[str, Value]:
    """The values that follow from `source`, `policy`, `policies`, `task` and `runs`.

    Returns:
        `tasks`, a comma between them; `checkpoints`, the policy's file of every task, empty where a person leads;
        `operator`; `leader`, in words.

    Raises:
        StackError: they contradict each other, or a run or its policy is missing.
    """
    source = str(values["source"])
    if source == "policy":
        pairs = _policies(values)
    elif values["policy"] or values["policies"]:
        raise StackError(f"source:={source} is led by a person: leave policy:= and policies:= out")
    elif not values["task"]:
        raise StackError(f"source:={source} needs task:=family/variant, or several with commas")
    else:
        pairs = [(task, "") for task in str(values["task"]).split(",")]
    tasks = [task for task, _ in pairs]
    if repeated := {task for task in tasks if tasks.count(task) > 1}:
        raise StackError(f"{', '.join(sorted(repeated))} is given more than once")
    return {
        "tasks": ",".join(tasks),
        "checkpoints": ",".join(checkpoint for _, checkpoint in pairs).strip(","),
        "operator": OPERATORS[source],
        "leader": leader(*(checkpoint for _, checkpoint in pairs)),
    }


def leader(*checkpoints: str) -> str:
    """Who acts by these checkpoints, in words."""
    students = {Path(checkpoint).is_dir() for checkpoint in checkpoints if checkpoint}
    if not students:
        return PERSON
    return MIX if len(students) > 1 else STUDENT if True in students else SPECIALIST


def located(values: Values) -> dict[str, Value]:
    """`name` and `runs` of the run that `name` or `policy` means.

    Raises:
        StackError: both are given, or none; or there is no such run.
    """
    name, policy = str(values["name"]), str(values["policy"])
    if bool(name) == bool(policy):
        raise StackError(
            "give name:=<run> or policy:=<run>, the run whose policy is evaluated: by its name, or policy:= by its "
            "folder, too"
        )
    if name:
        return {}
    run = run_folder(policy, place(values["runs"]))
    return {"name": run.name, "runs": str(run.parent)}


def _policies(values: Values) -> list[tuple[str, str]]:
    """Task and checkpoint of every policy."""
    runs = place(values["runs"])
    one, several = str(values["policy"]), str(values["policies"])
    if bool(one) == bool(several):
        raise StackError(
            "give policy:=<run> for one, or policies:=family/variant=<run>,… for several."
            f" {suggestions(Path(one).name, trained(runs)).strip()}"
        )
    if one:
        run = run_folder(one, runs)
        tasks = str(values["task"]) or task_of(run)
        return [(task, checkpoint(run)) for task in tasks.split(",")]
    if values["task"]:
        raise StackError("policies:= names the tasks itself: leave task:= out")
    pairs = []
    for part in several.split(","):
        task, mark, text = part.partition("=")
        if not mark or task.count("/") != 1:
            raise StackError(
                f"policies:= takes family/variant=<run>, a comma between them; not '{part}'"
            )
        pairs.append((task, checkpoint(run_folder(text, runs))))
    return pairs


def own_policy(values: Values) -> dict[str, Value]:
    """Policy of an evaluation, and its task where none was given.

    Raises:
        StackError: the run has none, or does not name its task.
    """
    run = Path(str(values["run"]))
    found = checkpoint(run)
    return {
        "task": values["task"] or task_of(run),
        "checkpoint": found,
        "leader": leader(found),
    }


def named_policy(values: Values) -> dict[str, Value]:
    """The policy that is to be run, and its task where none was given.

    Raises:
        StackError: there is no such run, it has none, or does not name its task.
    """
    runs = place(values["runs"])
    run = run_folder(str(values["policy"]), runs)
    found = checkpoint(run)
    return {
        "task": values["task"] or task_of(run),
        "checkpoint": found,
        "student": run.name,
        "leader": leader(found),
    }


def trained(runs: Path) -> list[str]:
    """Names of the runs in a folder that have a policy."""
    return sorted(
        {path.parents[1].name for policy in POLICIES for path in runs.glob(f"*/{policy}")}
    )


def task_of(run: Path) -> str:
    """Task that a run's specialist was trained on.

    Raises:
        StackError: the run does not say.
    """
    try:
        return str(read_yaml(RunPaths(run).arguments, RunArguments).arguments["task"])
    except (OSError, FormatError, KeyError):
        raise StackError(
            f"{RunPaths(run).arguments} names no task: give task:=family/variant"
        ) from None


def run_folder(text: str, runs: Path) -> Path:
    """A run by its folder, or by its name in the folder of all runs.

    Raises:
        StackError: there is none.
    """
    for path in (place(text), runs / text):
        if path.is_dir():
            return path
    raise StackError(f"there is no run '{text}'.{suggestions(Path(text).name, trained(runs))}")


def checkpoint(run: Path) -> str:
    """The trained policy of a run: a specialist's file, or a student's folder.

    Raises:
        StackError: there is none, or its path cannot be handed on.
    """
    found = [run / policy for policy in POLICIES if (run / policy).exists()]
    if not found:
        raise StackError(
            f"{run} has no trained policy yet: there is no {' and no '.join(map(str, POLICIES))}"
        )
    if "," in str(run):
        raise StackError(f"the path {run} has a comma in it: rename the folder")
    return str(found[0])
