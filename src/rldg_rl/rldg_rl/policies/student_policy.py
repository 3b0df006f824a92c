# SPDX-License-Identifier: Apache-2.0
"""A generalist in control: what was seen in, a chunk of actions out, one of them at every control step.

In lockstep a step waits for the model. In real time the model works beside the control loop: a step takes the action
that was foreseen for it, and where no chunk reaches this far the arm stays where it is.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from rldg_core.arm_spaces import ARM
from rldg_core.gripper_command import CLOSE, OPEN, command_at_start
from rldg_core.message_values import SECOND
from rldg_core.proprioception import proprioception
from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_distill.students.batch import StudentObservation
from rldg_distill.students.card import DataCard, StudentError
from rldg_distill.students.registry import UnknownStudent, load_student
from rldg_distill.students.student import Student, StudentConfig
from rldg_rl.acting.actor import Policy
from rldg_rl.acting.inference import Health, Inference, Stopwatch
from rldg_rl.episodes.step import Belief
from rldg_rl.policies.chunks import Chunks, Execution
from rldg_rl.robot.observation import Observation

CAMERA = "image"
"""feature of the wrist image in datasets"""
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Question:
    """What a model is asked at a control step."""

    episode: int
    step: int
    sight: StudentObservation
    instruction: str


class Model(Protocol):
    """A student, in this process or on another machine."""

    config: StudentConfig
    data: DataCard

    def act(self, sight: StudentObservation, instruction: str, /) -> np.ndarray:
        """(K, 7) float32: the actions from now on, in dataset units; ValueError where it cannot."""


class StudentPolicy(Policy):
    """See `actor.Policy`."""

    version = 0
    looks = True

    def __init__(self, model: Model, task: Task, execution: Execution, beside: bool) -> None:
        """A policy for one task.

        Args:
            model: the student.
            task: for its action scale, its rate and its instruction.
            execution: of the chunks.
            beside: let the model work beside the control loop instead of within the step.

        Raises:
            UserError: the student was trained at another rate, or for another body.
        """
        if differs := ARM.difference(model.data.spaces):
            raise UserError(f"the student was trained for another body than this arm: {differs}")
        if model.data.control_rate != task.control_rate:
            raise UserError(
                f"the student acts at {model.data.control_rate:g} Hz, {task.id} at {task.control_rate:g} Hz"
            )
        self.instruction = task.instruction
        self._stopwatch = Stopwatch()
        self._held = 0
        self._reach = model.config.chunk / task.control_rate
        self._model = model
        self._rate = task.control_rate
        self._execution = execution
        self._scale = np.repeat([task.action_scale.translation, task.action_scale.rotation], 3)
        self._inference = Inference(self._answer) if beside else None
        self._episode = 0

    def begin(self, seen: Observation, seed: int) -> None:
        """A new episode; what was foreseen in the last one is forgotten."""
        torch.manual_seed(seed)
        self._episode += 1
        self._chunks = Chunks(self._execution)
        self._history: deque[tuple[np.ndarray, np.ndarray]] = deque(
            maxlen=self._model.config.window
        )
        self._first = seen
        self._gripper = command_at_start(seen.gripper_width)

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """The action of this step; a student has no distribution to tell of."""
        step = round((seen.state_stamp - self._first.state_stamp) / SECOND * self._rate)
        self._remember(seen)
        self._ask(Question(self._episode, step, self._sight(), self.instruction))
        foreseen = self._chunks.action(step)
        motion = np.zeros(6)
        if foreseen is None:
            self._held += 1
        else:
            motion = foreseen[:6] / self._scale
            self._gripper = OPEN if foreseen[6] > 0.5 else CLOSE
        action = np.append(np.clip(motion, -1.0, 1.0), self._gripper).astype(np.float32)
        return Belief(action, NOTHING, NOTHING, self.version)

    @property
    def health(self) -> Health:
        """How the model keeps up."""
        return Health(self._stopwatch.latency, self._held, self._reach)

    def _remember(self, seen: Observation) -> None:
        own = proprioception(
            seen.pose, seen.twist, seen.wrench, seen.gripper_width, self._first.pose
        )
        self._history.append((seen.image, own.astype(np.float32)))

    def _sight(self) -> StudentObservation:
        images = np.stack([image for image, _ in self._history])
        return StudentObservation({CAMERA: images}, np.stack([own for _, own in self._history]))

    def _ask(self, question: Question) -> None:
        """Have a chunk made of this step where one is due, and take those that are ready."""
        if self._inference is None:
            if self._chunks.wants(question.step):
                self._chunks.add(question.step, self._answer(question))
            return
        for answered, chunk in self._inference.answers():
            if answered.episode == self._episode:
                self._chunks.add(answered.step, chunk)
        if self._chunks.wants(question.step):
            self._inference.ask(question)

    def _answer(self, question: Question) -> np.ndarray:
        started = time.monotonic()
        try:
            return self._model.act(question.sight, question.instruction)
        except ValueError as error:
            raise UserError(str(error)) from error
        finally:
            self._stopwatch.add(time.monotonic() - started)


def student_policy(path: Path, task: Task, execution: Execution, beside: bool) -> StudentPolicy:
    """A student that was saved to a folder, in control; see `trained_policy.trained_policy`."""
    return StudentPolicy(loaded_student(path), task, execution, beside)


@cache
def loaded_student(path: Path) -> Student:
    """The model of a folder, once in memory for however many tasks.

    Raises:
        UserError: it cannot be read, or looks through cameras that the robot does not have.
    """
    try:
        student = load_student(path, "cuda" if torch.cuda.is_available() else "cpu")
    except (StudentError, UnknownStudent) as error:
        raise UserError(f"cannot load the policy {path}: {error}") from error
    check_cameras(student)
    return student


def check_cameras(student: Student) -> None:
    """Refuse a student that looks through what no robot of ours has, or was trained on images of another size.

    Raises:
        UserError: it does.
    """
    if set(student.image_sizes) - {CAMERA}:
        raise UserError(
            f"the student looks through {sorted(student.image_sizes)}, the robot offers {CAMERA}"
        )
    if never := student.never_shown():
        raise UserError(f"this student cannot act: {never}")
