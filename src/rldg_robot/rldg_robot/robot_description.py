# SPDX-License-Identifier: Apache-2.0
"""The arm as URDF, of the model that the twin is made of: for RViz, Foxglove, and whoever wants the kinematics.

Links and joints have the names of the robot contract: `base`, fr3_link0 to 7, fr3_hand, fr3_hand_tcp, the fingers, and
the wrist camera's optical frame.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from rldg_core.contract import JOINT_NAMES
from rldg_robot.simulation import drawing, scene

TCP, CAMERA = "fr3_hand_tcp", "wrist_camera_color_optical_frame"
FINGER_FORCE, FINGER_SPEED = 70.0, 0.05
"""[N], [m/s] of the Franka Hand"""
JOINT_SPEED = 2.62
"""[rad/s] that no joint of the FR3 exceeds"""
_PREFIX = "fr3_"


def robot_description() -> str:
    """The URDF, with meshes by the path of their files on this machine."""
    spec = mujoco.MjSpec.from_file(str(scene.assets() / "fr3.xml"))
    robot = ET.Element("robot", name="fr3")
    names = dict(zip((joint.name for joint in spec.joints), JOINT_NAMES, strict=True))
    root = spec.body("base")
    _add_link(robot, spec, root)
    _add_children(robot, spec, root, names)
    hand = _name(spec.body("hand"))
    _add_fixed(robot, hand, TCP, [0.0, 0.0, scene.TCP_OFFSET], Rotation.identity())
    c, s = np.cos(drawing.WRIST_TILT), np.sin(drawing.WRIST_TILT)
    # x to the right of the image, y down, z away from the camera
    looking = Rotation.from_matrix(np.transpose([[0, 1, 0], [-c, 0, -s], [-s, 0, c]]))
    _add_fixed(robot, hand, CAMERA, drawing.WRIST_POSITION, looking)
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode")


def _name(body: mujoco.MjsBody) -> str:
    """Of its link."""
    plain = body.name.replace("left_finger", "leftfinger").replace("right_finger", "rightfinger")
    return plain if plain == "base" else _PREFIX + plain.removeprefix(_PREFIX)


def _add_children(
    robot: ET.Element, spec: mujoco.MjSpec, parent: mujoco.MjsBody, names: dict[str, str]
) -> None:
    """All below a body, with their joints."""
    for body in parent.bodies:
        _add_link(robot, spec, body)
        if body.joints:
            _add_joint(robot, parent, body, names)
        else:
            _add_fixed(robot, _name(parent), _name(body), body.pos, _turn(body.quat), link=False)
        _add_children(robot, spec, body, names)


def _add_link(robot: ET.Element, spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    """With what is seen of it."""
    link = ET.SubElement(robot, "link", name=_name(body))
    for geom in body.geoms:
        if geom.classname.name != "visual":
            continue
        visual = ET.SubElement(link, "visual")
        _add_origin(visual, geom.pos, _turn(geom.quat))
        file = scene.assets() / "meshes" / spec.mesh(geom.meshname).file
        ET.SubElement(ET.SubElement(visual, "geometry"), "mesh", filename=f"file://{file}")
        material = ET.SubElement(visual, "material", name=geom.material)
        rgba = spec.material(geom.material).rgba
        ET.SubElement(material, "color", rgba=" ".join(f"{value:g}" for value in rgba))


def _add_joint(
    robot: ET.Element, parent: mujoco.MjsBody, body: mujoco.MjsBody, names: dict[str, str]
) -> None:
    """The one that moves a body against its parent."""
    (own,) = body.joints
    slides = own.type == mujoco.mjtJoint.mjJNT_SLIDE
    kind = "prismatic" if slides else "revolute"
    joint = ET.SubElement(robot, "joint", name=names[own.name], type=kind)
    ET.SubElement(joint, "parent", link=_name(parent))
    ET.SubElement(joint, "child", link=_name(body))
    _add_origin(joint, body.pos, _turn(body.quat))
    ET.SubElement(joint, "axis", xyz=_numbers(own.axis))
    lower, upper = own.range
    effort = FINGER_FORCE if slides else own.actfrcrange[1]
    speed = FINGER_SPEED if slides else JOINT_SPEED
    limits = {"lower": lower, "upper": upper, "effort": effort, "velocity": speed}
    ET.SubElement(joint, "limit", {name: f"{value:g}" for name, value in limits.items()})


def _add_fixed(
    robot: ET.Element,
    parent: str,
    child: str,
    position: Sequence[float],
    turn: Rotation,
    link: bool = True,
) -> None:
    """A joint that does not move, and by default the empty link behind it."""
    if link:
        ET.SubElement(robot, "link", name=child)
    joint = ET.SubElement(robot, "joint", name=f"{child}_joint", type="fixed")
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    _add_origin(joint, position, turn)


def _add_origin(element: ET.Element, position: Sequence[float], turn: Rotation) -> None:
    rpy = turn.as_euler("xyz")
    ET.SubElement(element, "origin", xyz=_numbers(position), rpy=_numbers(rpy))


def _turn(wxyz: np.ndarray) -> Rotation:
    return Rotation.from_quat(np.roll(wxyz, -1))


def main() -> None:
    """Entry point: print it."""
    print(robot_description())


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values)
