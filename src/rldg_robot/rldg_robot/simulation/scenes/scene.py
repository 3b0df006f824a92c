# SPDX-License-Identifier: Apache-2.0
"""What a task family's world must say of itself; arm, impedance, cameras and sensors are in every one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from rldg_core.gripper_command import LEAVE
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.simulation.drawing import CameraView

TCP_OFFSET = 0.1034
"""[m] from the hand's flange to the TCP"""


class UnknownThing(ValueError):
    """A task's `scene` names something that there is not; the message lists what there is."""


@dataclass(frozen=True)
class Tool:
    """What the force sensor carries, and what is between the fingers from the start."""

    mass: float
    """[kg] beyond the sensor, whose weight is no force from outside"""
    com: tuple[float, float, float]
    """[m] its centre in the TCP frame"""
    width: float = 0.0
    """[m] to which the fingers can close; 0: they are free, and an episode begins with them open"""


@dataclass(frozen=True)
class SceneState:
    """What a scene judges by."""

    tcp: Pose
    """in base"""
    objects: tuple[Pose, ...]
    """in base, as `Scene.movable` names them"""
    speed: float
    """[m/s] of the fastest free object"""
    width: float
    """[m] between the fingers"""
    grasped: bool
    """whether something between the fingers stopped them"""


@dataclass(frozen=True)
class Waypoint:
    """Where to go next, and what the fingers should do there."""

    pose: Pose
    """of the TCP in base"""
    gripper: float = LEAVE
    """CLOSE, OPEN, or LEAVE them as they are"""


class Scene(ABC):
    """One task's world: made from the task, added to the arm's model, drawn anew from every seed.

    Made as `kind(task, what)`; the task's YAML says `scene: {<kind>: <what>}`.
    """

    tool: Tool
    surface: str
    """geom whose colour and texture `Randomization` draws; wears one of the materials of `drawing.add_surface`"""
    board: str
    """body that things belong into or onto, without joints or a mocap body: the perturbation `board` slides it"""
    view = CameraView(eye=(1.28, -0.98, 0.80), focus=(0.34, 0.0, 0.29))
    """of the overview"""
    roams: bool = True
    """whether the arm goes so far that its posture's springs would turn the hand; they then move the elbow alone"""
    movable: tuple[str, ...] = ()
    """bodies whose poses differ from episode to episode: free ones and mocap bodies"""

    def __init__(self, task: Task, what: Any) -> None:
        """Look up what the task asks for.

        Raises:
            UnknownThing: `what` names something that there is not.
        """
        self.task = task

    @abstractmethod
    def add(self, spec: mujoco.MjSpec, hand: mujoco.MjsBody) -> None:
        """Bodies, collision geoms, solver options; and the site `wrench`, at the TCP and with its axes, on the body
        whose force from outside is measured.
        """

    @abstractmethod
    def draw(self, spec: mujoco.MjSpec) -> None:
        """What is only seen."""

    def place(self, rng: np.random.Generator) -> tuple[Pose, ...]:
        """Where the movable bodies are when an episode begins, in base."""
        return ()

    @abstractmethod
    def waypoint(self, moment: SceneState) -> Waypoint:
        """TCP pose to reach next, and the gripper's part in it."""

    @abstractmethod
    def progress(self, moment: SceneState) -> float:
        """How much of the task is done, in [0, 1]; it counts as done from the task's `success_progress` on."""
