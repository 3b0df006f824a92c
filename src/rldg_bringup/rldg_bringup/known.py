# SPDX-License-Identifier: Apache-2.0
"""Whether there is what a stack's arguments name: tasks, perturbations and files, before anything is started.

What tasks and perturbations there are is asked of `rldg_core`, and only where a stack is planned.
"""

from __future__ import annotations

from rldg_bringup.arguments import StackError, Values, place
from rldg_bringup.machines import Machine, parts


def check_known(values: Values) -> None:
    """Check the names among a stack's values.

    Raises:
        StackError: there is no such task, perturbation or file; the message says what there is.
    """
    tasks = _tasks(values)
    if perturb := str(values.get("perturb", "")):
        _check_perturbation(perturb, tasks, randomize=bool(values["randomize"]))
    file = str(values.get("classifier", ""))
    if file and Machine.ROBOT in parts(values) and not place(file).is_file():
        raise StackError(
            f"classifier:={file} is not valid: there is no such file; ./rldg classifier train makes it"
        )


def _tasks(values: Values) -> list[str]:
    """The tasks that a robot does or a viewer shows, as family/variant."""
    from rldg_core.task import UnknownTask, named_tasks, task_ids  # noqa: PLC0415 - see above
    from rldg_core.user_error import UserError  # noqa: PLC0415 - of the set-up's file

    names = str(values.get("tasks", values.get("task", "")))
    if (
        values.get("execute") is False
    ):  # a bag is played, whatever it is of; the first task is shown
        names = "" if values["viewer"] == "false" else names.partition(",")[0]
    if not names:
        return []
    try:
        found = named_tasks(names)
    except (UnknownTask, UserError) as error:
        raise StackError(f"task:={names} is not valid: {error}") from error
    if "evaluation" not in values and found != names.split(","):
        raise StackError(
            f"task:={names} is not valid: it takes family/variant. There are: {', '.join(task_ids())}"
        )
    return found


def _check_perturbation(text: str, tasks: list[str], *, randomize: bool) -> None:
    from rldg_core.perturbation import AXES, read_perturbation  # noqa: PLC0415 - see above
    from rldg_core.task import load_task  # noqa: PLC0415
    from rldg_core.user_error import UserError  # noqa: PLC0415

    try:
        perturbation = read_perturbation(text, randomize=randomize)
        for task in tasks:
            perturbation.applied(load_task(task))
    except UserError as error:
        why, _, listed = str(error).partition("\n")  # the listing has a line for every axis
        there = f" There are: {', '.join(AXES)}" if listed else ""
        raise StackError(f"perturb:={text} is not valid: {why}{there}") from error
