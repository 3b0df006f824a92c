# SPDX-License-Identifier: Apache-2.0
"""What a mode works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rldg_core.contract import Topic
from rldg_core.task import Task
from rldg_rl.log import Log
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.policies.chunks import Execution
from rldg_rl.run_folder import RunFolder
from rldg_rl.waiting import Waiting

if TYPE_CHECKING:
    from rldg_rl.policies.far_student import FarStudent
    from rldg_rl.policies.student_policy import StudentPolicy


@dataclass(frozen=True)
class Context:
    """Parameters, folder, and what only a node can do."""

    parameters: ActorParameters
    tasks: Mapping[str, Task]
    """by name, in the order of the parameter"""
    run: RunFolder
    waiting: Waiting
    announce: Callable[[], None]
    """tells people where the run stands, a few times a second at most"""
    log: Log
    publishers: Callable[[Topic], str]
    """who publishes a topic, where it is more than one; see `publishers.crowd`"""
    far_policy: Callable[[Path, Task, Execution], tuple[StudentPolicy, FarStudent]]
    """a student on another machine; see `trained_policy.far_policy`"""
