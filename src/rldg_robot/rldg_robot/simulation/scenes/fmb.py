# SPDX-License-Identifier: Apache-2.0
"""Insertion and assembly after the Functional Manipulation Benchmark (FMB, Luo et al. 2024): a printed shape goes into
its hole in a board that lies elsewhere in every episode.

`scene: {fmb: <shape>}`, one of `SHAPES`. With the task's `grasp` the shape stands on the table and has to be grasped
first; without, it is fixed to the hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.simulation.drawing import (
    TILE,
    Colour,
    add_surface,
    material,
    show_mesh,
    surface_material,
)
from rldg_robot.simulation.meshes import Mesh, rounded_rectangle
from rldg_robot.simulation.polygons import contains, offset_polygon, round_polygon
from rldg_robot.simulation.scenes.grasping import grasp_waypoint, holds
from rldg_robot.simulation.scenes.scene import (
    TCP_OFFSET,
    Scene,
    SceneState,
    Tool,
    UnknownThing,
    Waypoint,
)
from rldg_robot.simulation.scenes.solids import (
    GRASP_CONTACT,
    GRIP,
    HAND,
    add_fingertips,
    add_hole,
    add_prism,
    add_table,
)

Array = NDArray[np.float64]

LENGTH, PROTRUSION, DEPTH = 0.06, 0.035, 0.014
"""[m] of the shape; of that beyond the TCP; of that in the hole at the end"""
CLEARANCE = 0.0015
"""[m] between shape and hole on every side (RLDG: a tolerance of 1.5 mm)"""
CORNER_RADIUS = 0.002
MASS, INERTIA = 0.05, (2.0e-5, 2.2e-5, 8e-6)
"""[kg], [kg m²] of a printed shape"""
COM = (0.0, 0.0, PROTRUSION - 0.5 * LENGTH)
BOARD, WALL = 0.125, 0.045
"""[m] edge of the board; thickness of the walls around the hole, which together are the board"""
BOARD_HEIGHT = 0.02
LATERAL_TOLERANCE = 0.0005
"""[m] by which soft contacts may let the shape into the wall"""
OVER = 0.015
"""[m] sideways within which a tip is over the hole"""
UPRIGHT = 0.2
"""[rad] by which a shape that is held over the hole may lean"""
HELD, HELD_OVER_HOLE = 0.25, 0.5
"""progress"""
BOARD_COLOUR = (0.80, 0.78, 0.72)


@dataclass(frozen=True)
class Shape:
    """A prism; its faces at the largest and the smallest y are flat, for the fingers close along y."""

    polygon: Array
    """[m] (n, 2) sharp corners of its cross-section, convex, counter-clockwise"""
    colour: Colour

    @property
    def width(self) -> float:
        """[m] between the fingers that hold it."""
        return float(np.ptp(self.polygon[:, 1]))

    @property
    def face(self) -> float:
        """[m] along x of the faces that the fingers meet."""
        top = self.polygon[:, 1].max()
        return float(np.ptp(self.polygon[self.polygon[:, 1] > top - 1e-6, 0]))


def _rectangle(x: float, y: float) -> Array:
    """Corners of a rectangle of x by y [m]."""
    return 0.5 * np.array([[-x, -y], [x, -y], [x, y], [-x, y]])


def _regular(corners: int, width: float) -> Array:
    """An even number of corners, `width` [m] between opposite faces, two of them across y."""
    angles = 2.0 * math.pi * (np.arange(corners) + 0.5) / corners - 0.5 * math.pi
    radius = 0.5 * width / math.cos(math.pi / corners)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


SHAPES = {
    "rectangle": Shape(_rectangle(0.038, 0.026), (0.85, 0.22, 0.10)),
    "square": Shape(_rectangle(0.028, 0.028), (0.16, 0.55, 0.28)),
    "hexagon": Shape(_regular(6, 0.032), (0.95, 0.70, 0.10)),
    "circle": Shape(_regular(16, 0.030), (0.15, 0.35, 0.75)),
}


class FmbScene(Scene):
    """Progress is the inserted part of the depth; where the shape is grasped first, that is the second half of it."""

    surface = "board"
    board = "board"

    def __init__(self, task: Task, what: str) -> None:
        """Look up the shape.

        Raises:
            UnknownThing: there is none of that name.
        """
        super().__init__(task, what)
        if what not in SHAPES:
            raise UnknownThing(f"no shape '{what}'; there are: {', '.join(SHAPES)}")
        self.shape = SHAPES[what]
        self.hole = offset_polygon(self.shape.polygon, CLEARANCE + task.extra_clearance)
        self.free = task.grasp is not None
        self.tool = HAND if self.free else Tool(MASS, COM, self.shape.width)
        self.movable = ("board", "object") if self.free else ("board",)

    def add(self, spec: mujoco.MjSpec, hand: mujoco.MjsBody) -> None:
        """Table, board, and the shape: fixed to the hand, or free between table and fingertips."""
        add_table(spec)
        board = spec.worldbody.add_body(name="board", mocap=True)
        add_hole(board, self.hole, DEPTH, WALL)
        if self.free:
            hand.add_site(name="wrench", pos=[0, 0, TCP_OFFSET])
            add_fingertips(spec)
            body = spec.worldbody.add_body(name="object")
            body.add_freejoint()
            self._add_grip(body)
        else:
            body = hand.add_body(name="object", pos=[0, 0, TCP_OFFSET], gravcomp=1.0)
            body.add_site(name="wrench")
        body.explicitinertial = True
        body.mass, body.ipos, body.inertia = MASS, COM, INERTIA
        edges = offset_polygon(self.shape.polygon, -CORNER_RADIUS)
        add_prism(body, edges, CORNER_RADIUS, PROTRUSION - LENGTH + CORNER_RADIUS, PROTRUSION)

    def draw(self, spec: mujoco.MjSpec) -> None:
        """The shape, and the board with its hole, a block on the table."""
        paint = material(spec, "object", self.shape.colour, 0.3)
        outline = round_polygon(self.shape.polygon, CORNER_RADIUS)
        slim = offset_polygon(outline, -0.0012)
        top = PROTRUSION - LENGTH
        mesh = Mesh.empty()
        mesh.loft(
            [
                (slim, top),
                (outline, top + 0.0012),
                (outline, PROTRUSION - 0.0012),
                (slim, PROTRUSION),
            ]
        )
        show_mesh(spec, spec.body("object"), "object", mesh, paint)
        add_surface(spec, BOARD_COLOUR)
        square = rounded_rectangle(BOARD, BOARD, 0.01)
        hole = round_polygon(self.hole, CORNER_RADIUS)
        board, cavity = Mesh.empty(), Mesh.empty()
        board.ring(square, hole, 0.0, up=False)
        board.strip(square, 0.0, square, BOARD_HEIGHT)
        show_mesh(spec, spec.body("board"), "board", board, surface_material("plain"), TILE)
        cavity.strip(hole, 0.0, hole, DEPTH, inward=True)
        cavity.cap(hole, DEPTH, up=False)
        dark = material(spec, "cavity", (0.10, 0.10, 0.11), 0.0)
        show_mesh(spec, spec.body("board"), "cavity", cavity, dark)

    def place(self, rng: np.random.Generator) -> tuple[Pose, ...]:
        """Board, then shape, each within its range."""
        board = self.task.goal.draw(rng) @ _along(PROTRUSION - DEPTH)
        return (board, self.task.grasp.draw(rng)) if self.task.grasp else (board,)

    def waypoint(self, moment: SceneState) -> Waypoint:
        """To the shape, with it into the hole."""
        inserted = self._inserted(moment)
        if not self.free:
            return Waypoint(inserted)
        shape = moment.objects[1]
        if not holds(moment, shape):
            return grasp_waypoint(moment, shape, self.task.goal_pose)
        # It was not grasped exactly where it should be: what counts is where it is, not the TCP.
        return Waypoint(inserted @ moment.tcp.relative_to(shape))

    def progress(self, moment: SceneState) -> float:
        """Inserted part of the depth; 0 while the tip is not in the hole.

        Where the shape is grasped first: 0 lying, HELD, HELD_OVER_HOLE, and from there on to 1 with the inserted part.
        """
        shape = moment.objects[1] if self.free else moment.tcp
        place = shape.relative_to(self._inserted(moment))
        part = self._inserted_part(place)
        if not self.free:
            return part
        if part > 0.0:
            return HELD_OVER_HOLE + (1.0 - HELD_OVER_HOLE) * part
        if not holds(moment, shape):
            return 0.0
        return HELD_OVER_HOLE if _is_over(place) else HELD

    def _inserted(self, moment: SceneState) -> Pose:
        """The shape's pose in base when it is all the way in."""
        return moment.objects[0] @ _along(DEPTH - PROTRUSION)

    def _inserted_part(self, shape: Pose) -> float:
        """Of the depth, in [0, 1]; `shape` relative to its inserted pose."""
        tip = np.array([shape.transform((x, y, PROTRUSION)) for x, y in self.shape.polygon])
        inserted = float(tip[:, 2].mean()) - (PROTRUSION - DEPTH)
        if inserted <= 0.0 or not contains(self.hole, tip[:, :2], LATERAL_TOLERANCE):
            return 0.0
        return min(inserted / DEPTH, 1.0)

    def _add_grip(self, body: mujoco.MjsBody) -> None:
        """The flat sides that the fingertips meet."""
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=COM,
            size=[0.5 * self.shape.face, 0.5 * self.shape.width, 0.5 * LENGTH],
            **GRIP,
            **GRASP_CONTACT,
        )


def _is_over(shape: Pose) -> bool:
    """Whether an upright shape, relative to its inserted pose, has its tip over the hole: at any height, for beside the
    hole there is the board.
    """
    aside = float(np.hypot(*shape.transform((0.0, 0.0, PROTRUSION))[:2]))
    return aside < OVER and bool(shape.matrix[2, 2] > math.cos(UPRIGHT))


def _along(z: float) -> Pose:
    """A shift along the tool [m]."""
    return Pose.from_rotvec([0.0, 0.0, z], np.zeros(3))
