# SPDX-License-Identifier: Apache-2.0
"""The compiled world: geometry, actuators, and that a connector's plug goes in only where it should."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import mujoco
import numpy as np
import pytest

from rldg_core.poses import Pose
from rldg_core.task import ErrorClip, load_task, task_ids
from rldg_robot.simulation import scene
from rldg_robot.simulation.connectors import SHOULDER, Connector, UnknownConnector, connector
from rldg_robot.simulation.twin import Twin

SEEDS = range(4)
UPRIGHT = Pose.identity()
every_task = pytest.mark.parametrize(
    "task_id", [task for task in task_ids() if task.startswith("connector/")]
)


@cache
def twin_of(task_id: str) -> Twin:
    """One twin per task: tests reset it."""
    return Twin(load_task(task_id))


def plug_of(twin: Twin) -> Connector:
    return connector(twin.task.scene["connector"])


def straight_line(twin: Twin, error: Pose = UPRIGHT, steps: int = 40) -> None:
    """Move above the hole, align, push down; `error` in the goal frame is what the expert is wrong
    by.
    """
    scale, goal, depth = twin.task.action_scale, twin.goal @ error, plug_of(twin).depth
    for _ in range(steps):
        measured, rest = twin.pose.relative_to(goal), goal.relative_to(twin.pose)
        height, move = -measured.position[2], rest.position.copy()
        aligned = np.hypot(*measured.position[:2]) < 4e-4 and np.abs(rest.rotvec).max() < 0.02
        if height > depth + 1e-3 and not aligned:
            move[2] = np.clip(height - depth - 6e-3, -3e-3, 1e-2)
        elif height < depth + 2e-2:
            move[2] = np.clip(move[2], -4e-3, 4e-3)
        action = np.concatenate([move / scale.translation, rest.rotvec / scale.rotation])
        action = np.clip(action, -1.0, 1.0)
        step = Pose.from_rotvec(action[:3] * scale.translation, action[3:] * scale.rotation)
        twin.step(twin.pose @ step, twin.task.period)
        if twin.success:
            return


def tip_below_mouth(twin: Twin) -> float:
    """[m] of the plug's tip below the mouth of the socket."""
    tip = twin.pose.relative_to(twin.goal).transform((0.0, 0.0, plug_of(twin).protrusion))
    return float(tip[2]) - SHOULDER


@every_task
def test_straight_line_inserts(task_id: str) -> None:
    twin = twin_of(task_id)
    for seed in SEEDS:
        twin.reset(seed)
        assert twin.progress == 0.0 and not twin.success
        straight_line(twin)
        assert twin.success, f"seed {seed}: progress {twin.progress:.2f}, offset {twin.offset}"


@every_task
@pytest.mark.parametrize(
    "error",
    [
        Pose.from_rotvec([0, 0, 0], [0, 0, 0.3]),
        Pose.from_rotvec([0, 0, 0], [0, 0, -0.3]),
        Pose.from_rotvec([0.003, 0, 0], [0, 0, 0]),
        Pose.from_rotvec([0, -0.003, 0], [0, 0, 0]),
    ],
    ids=["turned left", "turned right", "shifted along x", "shifted along y"],
)
def test_a_wrong_plug_stays_out(task_id: str, error: Pose) -> None:
    twin = twin_of(task_id)
    twin.reset(1)
    straight_line(twin, error, steps=30)
    assert twin.progress < 0.2


@every_task
def test_nothing_tunnels(task_id: str) -> None:
    """Full force down beside the hole, then full force sideways in it."""
    twin = twin_of(task_id)
    for x, y in [(0.05, 0.05), (-0.05, 0.02), (0.0, -0.012), (0.006, 0.006)]:
        twin.reset(0)
        for height in (0.03, -0.05, -0.05, -0.05):
            twin.step(twin.goal @ Pose.from_rotvec([x, y, -height], [0, 0, 0]), 0.5)
            assert tip_below_mouth(twin) < 3e-4
    twin.reset(0)
    straight_line(twin)
    for x, y in [(0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05)]:
        twin.step(twin.goal @ Pose.from_rotvec([x, y, 0.01], [0, 0, 0]), 0.5)
        assert np.abs(twin.pose.relative_to(twin.goal).position).max() < 2e-3
        assert twin.progress > 0.9


def test_pressing_on_the_board_gives_its_force_and_hardly_sinks() -> None:
    twin = twin_of("connector/vga")
    twin.reset(0)
    for height in (0.03, -0.05, -0.05, -0.05):
        twin.step(twin.goal @ Pose.from_rotvec([0.03, 0.03, -height], [0, 0, 0]), 0.5)
    assert twin.wrench[2] == pytest.approx(-20.0, abs=1.0)
    assert abs(tip_below_mouth(twin)) < 2e-4


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("kind", ["translation", "rotation"])
def test_springs_clip_per_axis_and_direction(axis: int, kind: str) -> None:
    """Static force of each spring, below and beyond its clip; the two directions differ."""
    clip = ErrorClip(lower=(-0.002, -0.004, -0.006), upper=(0.003, 0.005, 0.007))
    task = load_task("connector/vga")
    task = replace(
        task, compliance=replace(task.compliance, translational_clip=clip, rotational_clip=clip)
    )
    twin = Twin(task)
    stiffness = {"translation": 2000.0, "rotation": 150.0}[kind]
    spring = twin.data.actuator(f"spring_{kind}_{'xyz'[axis]}")
    for error in (-0.02, -0.001, 0.001, 0.02):
        change = np.zeros((2, 3))
        change[int(kind == "rotation"), axis] = error
        # The target sits where the TCP's own error in the target's axes is `error`.
        target = twin.pose @ Pose.from_rotvec(*change)
        twin.data.mocap_pos[0] = target.position
        twin.data.mocap_quat[0] = np.roll(target.quaternion, 1)
        mujoco.mj_forward(twin.model, twin.data)
        expected = stiffness * np.clip(error, clip.lower[axis], clip.upper[axis])
        assert spring.force[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("direction", np.vstack([np.eye(3), -np.eye(3)]))
def test_the_tcp_reaches_its_target(direction: np.ndarray) -> None:
    """In the air the steady error stays below a millimetre near the goal."""
    twin = twin_of("connector/vga")
    twin.reset(0)
    target = twin.goal @ Pose.from_rotvec(0.01 * direction - [0, 0, 0.03], [0, 0, 0])
    twin.step(target, 2.0)
    assert np.linalg.norm(twin.pose.position - target.position) < 1e-3
    assert np.linalg.norm(twin.pose.relative_to(target).rotvec) < 5e-3


def test_unknown_connector_lists_the_names() -> None:
    task = replace(load_task("connector/vga"), scene={"connector": "scart"})
    with pytest.raises(UnknownConnector, match="usb_a, vga, ethernet"):
        scene.build(task)
