# SPDX-License-Identifier: Apache-2.0
"""Any trained policy from where it is kept: a specialist's file, or a student's folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_rl.agent.checkpoint import CheckpointError, open_weights
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.live_policy import LivePolicy

if TYPE_CHECKING:  # an evaluation without ROS comes through here, too
    from rclpy.node import Node

    from rldg_rl.policies.far_student import FarStudent
    from rldg_rl.policies.student_policy import StudentPolicy


def trained_policy(
    path: Path, task: Task, execution: Execution, beside: bool
) -> LivePolicy | StudentPolicy:
    """A policy that is ready to act.

    Args:
        path: `policy.safetensors` of a specialist, or the folder that a student was saved to.
        task: that it is to do.
        execution: of a student's chunks.
        beside: see `StudentPolicy`.

    Raises:
        UserError: it cannot be read, or does not fit the task.
    """
    try:
        if path.is_dir():
            # Specialists need no torch: it is imported for students alone.
            students = import_module("rldg_rl.policies.student_policy")
            student: StudentPolicy = students.student_policy(path, task, execution, beside)
            return student
        return specialist(path, task)
    except (OSError, CheckpointError) as error:
        raise UserError(f"cannot load the policy {path}: {error}") from error


def far_policy(
    node: Node, path: Path, task: Task, execution: Execution
) -> tuple[StudentPolicy, FarStudent]:
    """A student on another machine, ready to act in real time, and what tells whether it is there.

    Args:
        node: that asks it.
        path: the folder with the student's card; its weights need not lie there.
        task: that it is to do.
        execution: of its chunks.

    Raises:
        UserError: its card cannot be read, or it does not fit the task.
    """
    far: FarStudent = import_module("rldg_rl.policies.far_student").FarStudent(node, path)
    students = import_module("rldg_rl.policies.student_policy")
    return students.StudentPolicy(far, task, execution, beside=True), far


def specialist(path: Path, task: Task) -> LivePolicy:
    """A specialist that is ready to act.

    Raises:
        CheckpointError: its file cannot be read, is broken or does not fit the task.
    """
    policy = LivePolicy(task)
    policy.load(open_weights(path))
    return policy
