# SPDX-License-Identifier: Apache-2.0
"""Tasks: what the twin, the gate, the environment, the recorder and the evaluation all read.

A family is one YAML in `tasks/`; a task is one of its variants, named `family/variant`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.files.checked_file import read_yaml, typed
from rldg_core.poses import Pose
from rldg_core.site_file import TaughtPose, site
from rldg_core.user_error import UserError

TASKS = Path(__file__).parent / "tasks"


class UnknownTask(UserError, ValueError):
    """No task of that name; the message lists the names there are."""


@dataclass(frozen=True)
class ActionScale:
    """Size of a full action of 1.0."""

    translation: float
    """[m] per control step"""
    rotation: float
    """[rad] per control step"""


@dataclass(frozen=True)
class ResetRange:
    """Where an episode starts, relative to the middle of its first goal's range."""

    height: float
    """[m] above the goal"""
    xy: float
    """[m] half width of the uniform range"""
    yaw: float
    """[rad] half width of the uniform range"""
    ahead: float = 0.0
    """[m] along x of the goal: the wrist camera looks back at the fingers"""


@dataclass(frozen=True)
class Box:
    """Workspace of the TCP around the middle of the goal's range, in axes parallel to base."""

    lower: tuple[float, float, float]
    """[m]"""
    upper: tuple[float, float, float]
    """[m]"""
    rotation: tuple[float, float, float]
    """[rad] largest rotation from the goal about each axis of the goal frame"""

    @property
    def reach(self) -> float:
        """[m] along its longest side."""
        return float(np.subtract(self.upper, self.lower).max())


@dataclass(frozen=True)
class ErrorClip:
    """Largest error that the spring sees, per axis of the target frame and direction."""

    lower: tuple[float, float, float]
    upper: tuple[float, float, float]


@dataclass(frozen=True)
class Compliance:
    """Cartesian impedance of the arm at the TCP."""

    translational_stiffness: float
    """[N/m]"""
    translational_damping: float
    """[N s/m]"""
    rotational_stiffness: float
    """[Nm/rad]"""
    rotational_damping: float
    """[Nm s/rad]"""
    translational_clip: ErrorClip
    """[m]"""
    rotational_clip: ErrorClip
    """[rad]"""


@dataclass(frozen=True)
class WrenchLimit:
    """Beyond this the safety gate stops the arm."""

    force: float
    """[N]"""
    torque: float
    """[Nm]"""


@dataclass(frozen=True)
class Spread:
    """How far a pose lies from its nominal one, drawn anew for every episode: half widths of uniform ranges."""

    x: float = 0.0
    """[m] along x of base"""
    y: float = 0.0
    """[m] along y of base"""
    yaw: float = 0.0
    """[rad] about z of the nominal pose"""


@dataclass(frozen=True)
class Goal:
    """A TCP pose in base, and the range that it is drawn from."""

    position: tuple[float, float, float]
    """[m]"""
    quaternion: tuple[float, float, float, float]
    """x y z w"""
    spread: Spread = Spread()

    @property
    def pose(self) -> Pose:
        """The middle of the range."""
        return Pose(np.array(self.position), np.array(self.quaternion))

    def draw(self, rng: np.random.Generator) -> Pose:
        """Uniform in the range; a width of zero takes nothing from `rng`."""
        x, y, yaw = (
            rng.uniform(-half, half) if half else 0.0
            for half in (self.spread.x, self.spread.y, self.spread.yaw)
        )
        pose = self.pose
        turned = pose @ Pose.from_rotvec(np.zeros(3), [0.0, 0.0, yaw])
        return Pose(pose.position + [x, y, 0.0], turned.quaternion)


@dataclass(frozen=True)
class Learning:
    """What a specialist needs to learn a task, where that is not what most tasks need."""

    steps: int = 8000
    """most training steps"""
    least_steps: int = 0
    """before these, not even an unbroken row of successes ends training: in a short task it comes by luck"""
    discount: float = 0.97
    """per control step; a long task needs one nearer to 1"""
    initial_temperature: float = 0.01
    """weight of the entropy bonus at the start; on a long task one action more or less changes little, which a large
    weight drowns"""


@dataclass(frozen=True)
class Task:
    """One variant of a task family, as its YAML says."""

    family: str
    variant: str
    instruction: str
    """the task in words"""
    seen: bool
    """whether specialists are trained on it"""
    horizon: int
    """control steps until an episode is truncated"""
    control_rate: float
    """[Hz]"""
    action_scale: ActionScale
    gripper: str
    """`closed`: held closed throughout; the policy then learns six dimensions. `learned`: the seventh is the gripper"""
    goal: Goal
    """where the task is done"""
    reset: ResetRange
    box: Box
    compliance: Compliance
    wrench_limit: WrenchLimit
    success_progress: float
    """progress from which the task counts as done, in (0, 1]"""
    scene: dict[str, Any]
    """the twin's scene: its kind, one of `scenes.SCENES`, with its settings; for a connector, its name"""
    grasp: Goal | None = None
    """where the object is grasped, for it lies on the table; None: it is in the fingers from the start"""
    handover: float = 0.0
    """progress from which a specialist leads; until then a person does. 0: the specialist does the whole task"""
    grasp_penalty: float = 0.0
    """taken off the reward that the gripper's critic sees, where a step changes what a learned gripper is asked for"""
    learning: Learning = Learning()
    cpu_budget: float | None = None
    """[min] of processor time that `train_rl` with its defaults is to need at most, all of its processes together.
    Nothing is stopped there: an experiment's report says what was needed. None: not stated"""
    reset_seconds: float = 3.0
    """[s] of robot time that a reset counts with in successes per 10 minutes, whether the twin puts the arm at its
    start in no time or the arm moves there"""
    region: str = "table"
    """where the task is set up; episodes name it"""
    has_hole: bool = False
    """whether something goes into a hole with a clearance, which `extra_clearance` changes"""
    extra_clearance: float = 0.0
    """[m] that what goes into a hole has more room there on every side than the scene says; negative: less"""

    @property
    def id(self) -> str:
        """`family/variant`."""
        return f"{self.family}/{self.variant}"

    @property
    def action_dim(self) -> int:
        """Number of action dimensions that a policy learns."""
        return 7 if self.learns_gripper else 6

    @property
    def learns_gripper(self) -> bool:
        """Whether a policy decides on the gripper, with the last of its action dimensions."""
        return self.gripper == "learned"

    @property
    def goal_pose(self) -> Pose:
        """TCP pose in base at which the task is done; where it is drawn anew, the middle of its range."""
        return self.goal.pose

    @property
    def first_pose(self) -> Pose:
        """TCP pose in base to which an episode leads first, in the middle of its range."""
        return (self.grasp or self.goal).pose

    @property
    def period(self) -> float:
        """[s] of one control step."""
        return 1.0 / self.control_rate

    def draw_start(self, rng: np.random.Generator) -> Pose:
        """TCP pose in base at which an episode begins: uniform in the reset range."""
        r = self.reset
        x, y = rng.uniform(-r.xy, r.xy, size=2)
        yaw = rng.uniform(-r.yaw, r.yaw)
        # z of the goal frame points down.
        return self.first_pose @ Pose.from_rotvec([r.ahead + x, y, -r.height], [0.0, 0.0, yaw])


def task_ids() -> list[str]:
    """Every task there is, as `family/variant`, families in alphabetical order."""
    return list(_task_ids(TASKS))


@cache
def _task_ids(folder: Path) -> tuple[str, ...]:
    return tuple(
        f"{path.stem}/{variant}"
        for path in sorted(folder.glob("*.yaml"))
        for variant in _family(path)["variants"]
    )


@cache
def _family(path: Path) -> dict[str, Any]:
    return read_yaml(path, dict[str, Any])


def named_tasks(names: str) -> list[str]:
    """The tasks that are meant, each once and in the order of their naming, as `family/variant`.

    Args:
        names: with a comma between them: `family/variant`; or `family` for all of its variants; or `family/seen` for
            those that specialists are trained on, `family/unseen` for the others.

    Raises:
        UnknownTask: a name that means none, or none but those of other names.
    """
    found: dict[str, None] = {}
    for name in names.split(","):
        meant = _meant(name)
        if found.keys() >= set(meant):
            raise UnknownTask(f"'{names}' names {name} again: once is enough")
        found |= dict.fromkeys(meant)
    return list(found)


def _meant(name: str) -> list[str]:
    if name in _task_ids(TASKS):
        return [name]
    family, _, group = name.partition("/")
    members = [task for task in _task_ids(TASKS) if task.startswith(f"{family}/")]
    if group:
        wanted = {"seen": True, "unseen": False}.get(group)
        members = [task for task in members if load_task(task).seen is wanted]
    if not members:
        raise UnknownTask(
            f"no task '{name}'; there are: {', '.join(task_ids())}; and of a family all, /seen or /unseen"
        )
    return members


def load_task(task_id: str) -> Task:
    """Read one task; where the set-up was taught its goal, with that.

    Raises:
        UnknownTask: no such family or variant.
        UserError: the set-up's file cannot be used.
        FormatError: the YAML lacks a field, has one too many, or one of a wrong type.
    """
    if task_id not in _task_ids(TASKS):
        raise UnknownTask(f"no task '{task_id}'; there are: {', '.join(task_ids())}")
    family, variant = task_id.split("/")
    task = _variant(TASKS / f"{family}.yaml", variant)
    taught = _taught().get(task_id)
    return replace(task, goal=Goal(taught.position, taught.quaternion)) if taught else task


def _taught() -> Mapping[str, TaughtPose]:
    """Goals of the set-up; a task that is misspelt there would go to the twin's goal without a word."""
    goals = site().goals
    if unknown := sorted(set(goals) - set(_task_ids(TASKS))):
        raise UserError(
            f"the set-up's file has a goal for {', '.join(unknown)}, but there is no such task. There are: "
            f"{', '.join(task_ids())}"
        )
    return goals


@cache
def _variant(path: Path, variant: str) -> Task:
    data = _family(path)
    merged = {**data, **data["variants"][variant], "family": path.stem, "variant": variant}
    del merged["variants"]
    return typed(merged, Task, f"{path}: {variant}", strict=True)
