# SPDX-License-Identifier: Apache-2.0
"""The URDF moves as the twin does."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco
import numpy as np
import pytest

from rldg_core.contract import JOINT_NAMES
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_robot.robot_description import CAMERA, TCP, robot_description
from rldg_robot.simulation.twin import Twin


@pytest.fixture(scope="module")
def urdf() -> ET.Element:
    return ET.fromstring(robot_description())


def numbers(text: str | None) -> np.ndarray:
    return np.array((text or "").split(), float)


def link_pose(urdf: ET.Element, link: str, joints: dict[str, float]) -> Pose:
    """A link in base: down the chain of joints, as the URDF specification has it."""
    for joint in urdf.iterfind("joint"):
        child, parent, origin = (joint.find(tag) for tag in ("child", "parent", "origin"))
        assert child is not None and parent is not None and origin is not None
        if child.get("link") != link:
            continue
        roll, pitch, yaw = numbers(origin.get("rpy"))
        placed = Pose(numbers(origin.get("xyz")), np.array([0.0, 0.0, 0.0, 1.0]))
        for turn in ([0, 0, yaw], [0, pitch, 0], [roll, 0, 0]):
            placed = placed @ Pose.from_rotvec(np.zeros(3), turn)
        axis = joint.find("axis")
        if axis is not None:
            by = joints[str(joint.get("name"))] * numbers(axis.get("xyz"))
            slides = joint.get("type") == "prismatic"
            placed = placed @ Pose.from_rotvec(
                by if slides else np.zeros(3), np.zeros(3) if slides else by
            )
        return link_pose(urdf, str(parent.get("link")), joints) @ placed
    assert link == "base"
    return Pose.identity()


def test_tcp_fingers_and_camera_are_where_the_twin_has_them(urdf: ET.Element) -> None:
    twin = Twin(load_task("connector/vga"))
    twin.reset(seed=3)
    joints = dict(zip(JOINT_NAMES, twin.joint_positions, strict=True))
    tcp = link_pose(urdf, TCP, joints)
    np.testing.assert_allclose(tcp.matrix, twin.pose.matrix, atol=1e-6)
    np.testing.assert_allclose(tcp.position, twin.pose.position, atol=1e-6)
    for name, body in (("fr3_leftfinger", "left_finger"), ("fr3_rightfinger", "right_finger")):
        place = twin.data.xpos[twin.model.body(body).id]
        np.testing.assert_allclose(link_pose(urdf, name, joints).position, place, atol=1e-6)
    camera = twin.model.camera("wrist").id
    optical = link_pose(urdf, CAMERA, joints)
    np.testing.assert_allclose(optical.position, twin.data.cam_xpos[camera], atol=1e-6)
    seen = twin.data.cam_xmat[camera].reshape(3, 3) @ np.diag(
        [1.0, -1.0, -1.0]
    )  # OpenGL looks along -z
    np.testing.assert_allclose(optical.matrix, seen, atol=1e-6)
    assert mujoco.mj_name2id(twin.model, mujoco.mjtObj.mjOBJ_CAMERA, "wrist") == camera


def test_it_is_whole(urdf: ET.Element) -> None:
    links = {str(link.get("name")) for link in urdf.iterfind("link")}
    joints = list(urdf.iterfind("joint"))
    children = [joint.find("child") for joint in joints]
    assert {str(child.get("link")) for child in children if child is not None} == links - {"base"}
    moving = [joint.get("name") for joint in joints if joint.get("type") != "fixed"]
    assert tuple(moving) == JOINT_NAMES
    meshes = [str(mesh.get("filename")) for mesh in urdf.iter("mesh")]
    assert len(meshes) > 30
    assert all(Path(mesh.removeprefix("file://")).is_file() for mesh in meshes)
