# SPDX-License-Identifier: Apache-2.0
"""Whether the arm gets everywhere in a task's box, within its joint limits and without touching itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import mujoco
import numpy as np

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.doctor.finding import Finding, bad, good, warning
from rldg_robot.kinematics import ARM_JOINTS, Array, OutOfReach, joints_for
from rldg_robot.simulation import scene

LIMIT_MARGIN = 0.1
"""[rad] to a joint's limit below which one is warned: the arm's own controller pushes back there"""
SUBJECT = "workspace box"
FIX = "move the set-up, or make `box` of the task's YAML smaller"


def workspace_findings(task: Task) -> list[Finding]:
    """Look at the box's corners and middle, each as the goal is turned and at both ends of every rotation."""
    model = _arm()
    data = mujoco.MjData(model)
    tcp = model.site("tcp").id
    limits = model.jnt_range[:ARM_JOINTS]
    home: Array | None = None
    nearest, where = np.inf, ""
    for place, pose in _extremes(task):
        try:
            joints = joints_for(model, data, tcp, pose, scene.HOME if home is None else home)
        except OutOfReach:
            return [bad(SUBJECT, f"the arm does not reach {place}", FIX)]
        home = joints if home is None else home
        margins = np.minimum(joints - limits[:, 0], limits[:, 1] - joints)
        if margins.min() < nearest:
            nearest, where = margins.min(), f"joint {margins.argmin() + 1} at {place}"
        if touching := _touching(model, data):
            return [bad(SUBJECT, f"{touching} touch at {place}", FIX)]
    if nearest < 0.0:
        return [bad(SUBJECT, f"{where} is {-nearest:.2f} rad beyond its limit", FIX)]
    if nearest < LIMIT_MARGIN:
        return [warning(SUBJECT, f"{where} is within {nearest:.2f} rad of its limit", FIX)]
    return [good(SUBJECT, f"within reach; nearest to a limit {where}, {nearest:.2f} rad")]


def _arm() -> mujoco.MjModel:
    """Arm and hand alone, with the shapes that collide."""
    spec = mujoco.MjSpec.from_file(str(scene.assets() / "fr3.xml"))
    spec.meshdir = str(scene.assets() / "meshes")
    spec.body("hand").add_site(name="tcp", pos=[0, 0, scene.TCP_OFFSET])
    for geom in list(spec.geoms):
        if geom.classname.name == "visual":
            spec.delete(geom)
    used = {geom.meshname for geom in spec.geoms}
    for mesh in list(spec.meshes):
        if mesh.name not in used:
            spec.delete(mesh)
    return spec.compile()


def _extremes(task: Task) -> Iterator[tuple[str, Pose]]:
    """Poses at the borders of the box, with their names."""
    box, goal = task.box, task.goal_pose
    corners = [np.array(corner) for corner in product(*zip(box.lower, box.upper, strict=True))]
    turns: list[Array] = [np.zeros(3)]
    for axis, sign in product(range(3), (-1.0, 1.0)):
        turns.append(sign * box.rotation[axis] * np.eye(3)[axis])
    for offset, turn in product([np.zeros(3), *corners], turns):
        turned = Pose(goal.position + offset, goal.quaternion) @ Pose.from_rotvec(np.zeros(3), turn)
        position = ", ".join(f"{value:.3f}" for value in turned.position)
        degrees = ", ".join(f"{np.degrees(value):.0f}" for value in turn)
        yield f"({position}) m in base, turned by ({degrees})°", turned


def _touching(model: mujoco.MjModel, data: mujoco.MjData) -> str:
    """Two parts of the arm that touch; empty: none. The fingers may touch each other."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_collision(model, data)
    for contact in data.contact:
        names = [model.body(model.geom_bodyid[geom]).name for geom in contact.geom]
        if contact.dist < 0.0 and not all("finger" in name for name in names):
            return " and ".join(names)
    return ""
