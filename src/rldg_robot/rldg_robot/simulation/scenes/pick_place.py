# SPDX-License-Identifier: Apache-2.0
"""Pick and place: something to eat lies on the table and belongs into a bowl.

`scene: {pick_place: {produce: <name>, table: <name>}}`, of `PRODUCE` and `TABLE_TOPS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import dacite
import mujoco
import numpy as np

from rldg_core.gripper_command import OPEN
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.simulation.drawing import TABLE_TOPS, draw_table_top
from rldg_robot.simulation.scenes.grasping import grasp_waypoint, holds
from rldg_robot.simulation.scenes.pick_place_looks import draw_bowl, draw_corn, draw_pepper
from rldg_robot.simulation.scenes.scene import (
    TCP_OFFSET,
    Scene,
    SceneState,
    UnknownThing,
    Waypoint,
)
from rldg_robot.simulation.scenes.solids import (
    GRASP_CONTACT,
    HAND,
    MOVING_GRIP,
    add_fingertips,
    add_fixed_box,
    add_table,
)

GRASP_HEIGHT = 0.02
"""[m] of the grasp above the table, as the task's `grasp` says, too"""
RIM, FLOOR, HEIGHT, THICKNESS = 0.08, 0.05, 0.045, 0.004
"""[m] of the bowl: inner radius at the rim and at the floor, height of the rim, thickness"""
STAVES = 16
"""flat pieces that its wall is made of"""
RELEASED = 0.008
"""[m] that the fingers must be wider than what they let go"""
AT_REST = 0.02
"""[m/s]"""
DONE, ON_THE_WAY = 1.0, 0.5


@dataclass(frozen=True)
class Produce:
    """What is picked: a block to the physics, whatever it looks like."""

    size: tuple[float, float, float]
    """[m] along x, y and z; the fingers close along y"""
    mass: float
    """[kg]"""


PRODUCE = {
    "pepper": Produce((0.046, 0.046, 0.052), 0.06),
    "corn": Produce((0.085, 0.036, 0.036), 0.05),
}
LOOKS = {"pepper": draw_pepper, "corn": draw_corn}


@dataclass(frozen=True)
class Setting:
    """What is picked, from where."""

    produce: str
    table: str


class PickPlaceScene(Scene):
    """Done once it is at rest in the bowl and let go."""

    surface = "table_top"
    board = "bowl"
    movable = ("object",)
    tool = HAND

    def __init__(self, task: Task, what: dict[str, str]) -> None:
        """Look up what is picked, and from which table.

        Raises:
            UnknownThing: there is none of that name.
            dacite.DaciteError: `what` lacks something, or has something too many.
        """
        super().__init__(task, what)
        self.setting = dacite.from_dict(Setting, what, dacite.Config(strict=True))
        for name, there_are in ((self.setting.produce, PRODUCE), (self.setting.table, TABLE_TOPS)):
            if name not in there_are:
                raise UnknownThing(
                    f"no '{name}' to pick and place; there are: {', '.join(there_are)}"
                )
        self.produce = PRODUCE[self.setting.produce]
        x, y, _ = task.goal.position
        self.bowl = np.array([x, y])

    def add(self, spec: mujoco.MjSpec, hand: mujoco.MjsBody) -> None:
        """Table, bowl, fingertips, and the object; its origin is where it is grasped."""
        add_table(spec)
        self._add_bowl(spec.worldbody.add_body(name="bowl", pos=[*self.bowl, 0.0]))
        hand.add_site(name="wrench", pos=[0, 0, TCP_OFFSET])
        add_fingertips(spec)
        body = spec.worldbody.add_body(name="object")
        body.add_freejoint()
        half = 0.5 * np.array(self.produce.size)
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[0, 0, GRASP_HEIGHT - half[2]],
            size=half,
            mass=self.produce.mass,
            **MOVING_GRIP,
            **GRASP_CONTACT,
        )

    def draw(self, spec: mujoco.MjSpec) -> None:
        """Object, bowl, and the covering of the table."""
        LOOKS[self.setting.produce](spec, spec.body("object"), self.produce.size, GRASP_HEIGHT)
        draw_bowl(spec, spec.body("bowl"), RIM, FLOOR, HEIGHT, THICKNESS)
        draw_table_top(spec, self.setting.table)

    def place(self, rng: np.random.Generator) -> tuple[Pose, ...]:
        """The object within its range."""
        assert self.task.grasp is not None
        return (self.task.grasp.draw(rng),)

    def waypoint(self, moment: SceneState) -> Waypoint:
        """To the object; with it to the bowl, and there open."""
        (thing,) = moment.objects
        release = self.task.goal_pose
        if holds(moment, thing) or self._over_bowl(thing):
            return Waypoint(release, OPEN)
        return grasp_waypoint(moment, thing, release)

    def progress(self, moment: SceneState) -> float:
        """1 done, 0.5 held or over the bowl, 0 lying."""
        (thing,) = moment.objects
        inside = self._over_bowl(thing) and thing.position[2] < HEIGHT
        if inside and moment.speed < AT_REST and self._released(moment):
            return DONE
        return ON_THE_WAY if holds(moment, thing) or self._over_bowl(thing) else 0.0

    def _over_bowl(self, thing: Pose) -> bool:
        return bool(np.linalg.norm(thing.position[:2] - self.bowl) < RIM)

    def _released(self, moment: SceneState) -> bool:
        return moment.width > self.produce.size[1] + RELEASED

    @staticmethod
    def _add_bowl(bowl: mujoco.MjsBody) -> None:
        """Floor and staves; it stands as if it were glued to the table."""
        add_fixed_box(bowl, pos=[0, 0, 0.5 * THICKNESS], size=[FLOOR, FLOOR, 0.5 * THICKNESS])
        slope = np.arctan2(RIM - FLOOR, HEIGHT)
        length = np.hypot(RIM - FLOOR, HEIGHT)
        middle = 0.5 * (RIM + FLOOR) + 0.5 * THICKNESS
        for angle in 2.0 * np.pi * np.arange(STAVES) / STAVES:
            turn = Pose.from_rotvec(np.zeros(3), [0, 0, angle])
            lean = turn @ Pose.from_rotvec(np.zeros(3), [0, slope, 0])
            add_fixed_box(
                bowl,
                pos=turn.transform([middle, 0, 0.5 * HEIGHT]),
                quat=np.roll(lean.quaternion, 1),
                size=[0.5 * THICKNESS, np.pi * RIM / STAVES, 0.5 * length],
            )
