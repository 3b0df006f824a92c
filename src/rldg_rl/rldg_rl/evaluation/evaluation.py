# SPDX-License-Identifier: Apache-2.0
"""Evaluation episodes without ROS: a policy, a gate and a twin in one process, as many processes as one likes.

An episode depends on its assignment, its task and its number, and on nothing that happened before it: whoever runs
it, and whenever, it is the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

from rldg_core.perturbation import NOMINAL, Perturbation
from rldg_core.task import load_task
from rldg_core.vocabulary import Source
from rldg_rl.acting.actor import Actor
from rldg_rl.acting.played_hands import PlayedHands
from rldg_rl.acting.schedule import episode_seed
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import ControlStep
from rldg_rl.episodes.trial import Trial
from rldg_rl.evaluation.outcomes import Trace
from rldg_rl.evaluation.results import Record, make_record
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.trained_policy import trained_policy
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.video import EpisodeClip, Shot


@dataclass(frozen=True)
class Assignment:
    """Who is judged, and how."""

    policy: Path
    """`policy.safetensors` of a specialist, or the folder of a student"""
    seed: int = 0
    """of the starts and of what is drawn in the episodes"""
    execution: Execution = field(default_factory=Execution)
    """of a student's chunks"""
    deterministic: bool = False
    """specialists: act on the mean"""
    randomize: bool = False
    """other looks in every episode"""
    perturbation: Perturbation = NOMINAL
    """how far the robot's world is off"""


def live(trial: Trial, assignment: Assignment) -> Iterator[Record]:
    """What an episode came to; `pool.Work`.

    Raises:
        UserError: the policy cannot be read, or it or the perturbation does not fit the task.
    """
    yield _stage(assignment, trial.task).live(trial.number)


def relive(assignment: Assignment, record: Record) -> EpisodeClip | None:
    """An episode once more, before a camera; None where it does not end as it did, on another machine for example."""
    stage = _stage(assignment, record.task, camera=True)
    same = stage.live(record.number) == record
    return EpisodeClip(record.task, stage.shots) if same else None


def close_cached() -> None:
    """Let go of all policies and twins that were made: who judges under other conditions needs others."""
    _stage.cache_clear()


@cache
def _stage(assignment: Assignment, task: str, camera: bool = False) -> TaskEvaluation:
    """Policy and twin are made once in a process."""
    return TaskEvaluation(assignment, task, camera)


class TaskEvaluation:
    """Where episodes of one task are run; witness of its own actor."""

    def __init__(self, assignment: Assignment, task_id: str, camera: bool) -> None:
        """Load the policy and build the twin.

        Args:
            assignment: who is judged, and how.
            task_id: family/variant.
            camera: keep the `shots` of the last episode.
        """
        task = load_task(task_id)
        self._assignment = assignment
        self._camera = camera
        self._policy = trained_policy(assignment.policy, task, assignment.execution, beside=False)
        if self._policy.looks:
            # The processes share the cores; and the same bits come of any number of them.
            import_module("torch").set_num_threads(1)
        looks = camera or self._policy.looks
        self._robot = DirectRobot(
            task,
            looks=looks,
            randomize=assignment.randomize,
            perturbation=assignment.perturbation,
        )
        self._env = RobotEnv(self._robot, task)
        self._actor = Actor(self._env, PlayedHands(), self)

    def live(self, number: int) -> Record:
        """Live an episode."""
        seed = episode_seed(self._assignment.seed, Source.EVALUATION, number)
        deterministic = self._assignment.deterministic
        name = f"{Source.EVALUATION}_{number:05d}"
        result = self._actor.run_episode(name, Source.EVALUATION, seed, self._policy, deterministic)
        return make_record(result, self._trace, number)

    # What the actor tells (see actor.Witness)

    def opened(self, result: EpisodeResult) -> None:
        """A new trace."""
        self._trace = Trace()
        self.shots: list[Shot] = []
        self._shoot(self._env.latest.image)

    def before_step(self) -> None:
        """There is nothing to wait for."""

    def after_step(self, step: ControlStep) -> None:
        """Keep what it says."""
        self._trace.add(step)
        self._shoot(step.after.image)

    def closed(self, result: EpisodeResult) -> None:
        """The record is made of its trace."""

    def _shoot(self, image: np.ndarray) -> None:
        if self._camera:
            twin = self._robot.twin
            self.shots.append((twin.joint_positions, twin.objects, image))
