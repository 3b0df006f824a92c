# SPDX-License-Identifier: Apache-2.0
"""What collides in the scenes: prisms of capsules, holes of walls, fingertips that grasp."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_robot.simulation import drawing
from rldg_robot.simulation.scenes.scene import Tool

Array = NDArray[np.float64]

MOVING_BIT, FIXED_BIT, FINGER_BIT, GRIP_BIT = 1, 2, 4, 8
"""collision bits: what moves meets only what is fixed; fingertips meet what is fixed and what can be grasped"""
MOVING = {"contype": MOVING_BIT, "conaffinity": FIXED_BIT}
FIXED = {"contype": FIXED_BIT, "conaffinity": MOVING_BIT}
FINGER = {"contype": FINGER_BIT, "conaffinity": FIXED_BIT | GRIP_BIT}
GRIP = {"contype": GRIP_BIT, "conaffinity": FINGER_BIT}
MOVING_GRIP = {"contype": MOVING_BIT | GRIP_BIT, "conaffinity": FIXED_BIT | FINGER_BIT}

FRICTION = 0.3
"""of metal and plastic shells"""
RUBBER = 1.0
"""friction of the fingertips on whatever they hold"""
FLOOR_GAP = 0.0005
"""[m] that a hole is deeper than what it takes in is long, so that a full insertion has stopped on
nothing"""

CONTACT: dict[str, Any] = {
    "friction": [FRICTION, 0.005, 0.0001],
    "solref": [0.004, 1.0],
    "solimp": [0.95, 0.99, 0.0005, 0.5, 2.0],
    "group": drawing.COLLISION_GROUP,
    "rgba": [0.9, 0.3, 0.3, 0.3],
}
GRASP_CONTACT = {**CONTACT, "friction": [RUBBER, 0.02, 0.0001], "condim": 4}

HAND = Tool(mass=0.76, com=(-0.0096, 0.0, -0.0723))
"""hand and fingers, as the MJCF weighs them"""


def add_prism(body: mujoco.MjsBody, edges: Array, radius: float, start: float, end: float) -> None:
    """The hull of capsules along z, one analytic contact each: `edges` (n, 2) are their axes [m],
    flat `end` the prism's tip.
    """
    for x, y in edges:
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[x, y, start, x, y, end - radius],
            size=[radius, 0, 0],
            **MOVING,
            **CONTACT,
        )


def add_hole(body: mujoco.MjsBody, hole: Array, depth: float, wall: float) -> None:
    """Walls around a convex hole (n, 2) [m] from z = 0 down to its floor at `depth` > 0.

    Outside a convex hole a wall may go on for ever, and all walls together close the board: each is
    longer than its edge and `wall` [m] thick.
    """
    deep = depth + FLOOR_GAP
    for a, b in zip(hole, np.roll(hole, -1, axis=0), strict=True):
        along = (b - a) / np.linalg.norm(b - a)
        out = np.array([along[1], -along[0]])
        centre = 0.5 * (a + b) + 0.5 * wall * out
        angle = float(np.arctan2(along[1], along[0]))
        add_fixed_box(
            body,
            pos=[*centre, 0.5 * deep],
            size=[wall, 0.5 * wall, 0.5 * deep],
            quat=[np.cos(0.5 * angle), 0, 0, np.sin(0.5 * angle)],
        )
    half = 0.5 * np.ptp(hole, axis=0) + 0.005
    add_fixed_box(body, pos=[0, 0, deep + 0.005], size=[*half, 0.005])


def add_fixed_box(body: mujoco.MjsBody, **shape: Any) -> None:
    """A box that moving things and fingertips meet."""
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, **shape, **FIXED, **CONTACT)


def add_table(spec: mujoco.MjSpec) -> None:
    """The table's top, z = 0 of base, as far as one can reach."""
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], **FIXED, **CONTACT)


def add_fingertips(spec: mujoco.MjSpec) -> None:
    """Rubber pads where the fingers meet, coupled as the hand couples them; and friction that holds what they press
    on.
    """
    for name in ("left_finger", "right_finger"):
        spec.body(name).add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[0, 0.004, 0.0445],
            size=[0.0085, 0.004, 0.0085],
            mass=0,
            **FINGER,
            **GRASP_CONTACT,
        )
    coupling = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, name1="finger_joint1", name2="finger_joint2"
    )
    coupling.solimp, coupling.solref = [0.95, 0.99, 0.001, 0.5, 2.0], [0.005, 1.0]
    # With pyramids and equal weights for friction and pressure a grasp creeps under load.
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
