# SPDX-License-Identifier: Apache-2.0
"""Whether somebody can do what a run wants, asked before it begins."""

from __future__ import annotations

from collections.abc import Mapping

from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_rl.learner_config import FEWEST_DEMONSTRATIONS, SCRATCH
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.rewards.jury import SOMEBODY


def check_training(parameters: ActorParameters, task: Task, demonstrated: int) -> None:
    """Check that there are demonstrations where they are needed, and somebody who gives them.

    Args:
        parameters: of the training.
        task: that is learned.
        demonstrated: successful demonstrations that are there already.

    Raises:
        UserError: there are none.
    """
    sees, demos = parameters.observation == "image", parameters.demos
    if sees and parameters.encoder != SCRATCH and demos < FEWEST_DEMONSTRATIONS:
        raise UserError(
            "observation:=image learns to see from demonstrations: give demos:=20, "
            f"{FEWEST_DEMONSTRATIONS} at least; or encoder:=scratch"
        )
    if parameters.unattended and not parameters.policy and demos > demonstrated:
        raise UserError(f"demos:={demos} need a person: {SOMEBODY}, init:=<a student>, or demos:=0")
    if parameters.unattended and task.handover:
        raise UserError(f"{task.id} needs a person up to its hand-over: {SOMEBODY}")


def check_resets(parameters: ActorParameters, tasks: Mapping[str, Task]) -> None:
    """Check that the robot can get to its starts.

    Raises:
        UserError: somebody would have to change what stands before it.
    """
    if parameters.moves and len(tasks) > 1:
        raise UserError(
            "resets:=motion is for one task: no robot changes its board and its tool by itself"
        )
