# SPDX-License-Identifier: Apache-2.0
"""Every axis of a perturbation changes what it says, as its number says, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from waypoints import live

from rldg_core.perturbation import AXES, Perturbation, read_perturbation
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_robot.simulation.scenes import scene_of
from rldg_robot.simulation.scenes.connector import ConnectorScene
from rldg_robot.simulation.scenes.fmb import FmbScene
from rldg_robot.simulation.twin import Twin

TASK = load_task("connector/vga")
FAMILIES = ("connector/vga", "pick_place/pepper", "fmb_insertion/square", "fmb_assembly/square")
ALL = {"pose", "wrench", "offset", "image"}
IN_THE_AIR = {
    "light:0.5": {"image"},
    "colours:0.5": {"image"},
    "texture:1": {"image"},
    "camera:5mm": {"image"},
    "camera_turn:2deg": {"image"},
    "clearance:1mm": {"image"},
    "friction:100%": set(),
    "board:5mm": {"offset", "image"},
    "noise:1mm": {"offset"},
    "force_noise:1N": {"wrench"},
    "image_noise:5%": {"image"},
    "latency:40ms": ALL,
}
"""what is measured otherwise on the way to the goal"""


def perturbed(text: str, task: str = TASK.id) -> Twin:
    return Twin(load_task(task), perturbation=read_perturbation(text))


def approach(twin: Twin, seed: int) -> Mapping[str, np.ndarray]:
    """What is measured on the way towards the goal, and the last picture."""
    twin.reset(seed)
    poses, wrenches, offsets = [], [], []
    for _ in range(4):
        twin.step(twin.pose @ Pose.from_rotvec([0.005, 0.0, 0.004], np.zeros(3)), 0.1)
        poses.append(twin.pose.position)
        wrenches.append(twin.wrench)
        offsets.append(twin.offset.position)
    return {
        "pose": np.array(poses),
        "wrench": np.array(wrenches),
        "offset": np.array(offsets),
        "image": twin.image(),
    }


@pytest.fixture(scope="module")
def nominal() -> Mapping[str, np.ndarray]:
    return approach(Twin(TASK), 3)


@pytest.mark.parametrize("text", IN_THE_AIR)
def test_an_axis_changes_its_own_alike_for_the_same_seed(
    text: str, nominal: Mapping[str, np.ndarray]
) -> None:
    twin = perturbed(text)
    found = approach(twin, 3)
    changed = {name for name in ALL if not np.array_equal(found[name], nominal[name])}
    assert changed == IN_THE_AIR[text]
    other = approach(twin, 4)
    again = approach(twin, 3)
    for name in ALL:
        assert np.array_equal(found[name], again[name]), "whatever was lived before"
        assert not np.array_equal(found[name], other[name])


def test_no_axis_was_forgotten() -> None:
    assert {text.partition(":")[0] for text in IN_THE_AIR} == set(AXES)


def test_looks_go_a_share_of_the_way() -> None:
    models = [perturbed(text).model for text in ("", "light:1,colours:1", "light:0.5,colours:0.5")]
    for name in ("light_diffuse", "mat_rgba"):
        none, all_of_it, half = (getattr(model, name) for model in models)
        assert np.abs(all_of_it - none).max() > 0.05
        np.testing.assert_allclose(half, 0.5 * (none + all_of_it), atol=1e-6)
    directions = [model.light_dir[0] for model in models]
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-6)
    angles = [np.arccos(directions[0] @ direction) for direction in directions[1:]]
    assert 0.0 < angles[1] < angles[0]


def test_the_texture_changes_in_a_share_of_the_episodes_and_keeps_its_colour() -> None:
    twin = perturbed("texture:30%")
    surface, nominal = twin.model.geom("board").id, Twin(TASK).model
    plain, changed = nominal.geom_matid[surface], 0
    for seed in range(100):
        twin.reset(seed)
        worn = twin.model.geom_matid[surface]
        changed += worn != plain
        np.testing.assert_array_equal(twin.model.mat_rgba[worn], nominal.mat_rgba[plain])
    assert 15 <= changed <= 45


def test_the_camera_is_shifted_and_turned_within_its_range() -> None:
    nominal = Twin(TASK).model
    wrist = nominal.camera("wrist").id
    shifted, turned = perturbed("camera:10mm"), perturbed("camera_turn:5deg")
    shifts, turns = [], []
    for seed in range(30):
        shifted.reset(seed)
        shifts.append(shifted.model.cam_pos[wrist] - nominal.cam_pos[wrist])
        np.testing.assert_array_equal(shifted.model.cam_quat[wrist], nominal.cam_quat[wrist])
        turned.reset(seed)
        np.testing.assert_array_equal(turned.model.cam_pos[wrist], nominal.cam_pos[wrist])
        dot = abs(turned.model.cam_quat[wrist] @ nominal.cam_quat[wrist])
        turns.append(np.degrees(2.0 * np.arccos(min(dot, 1.0))))
    reach = np.abs(shifts).max(axis=0)
    assert np.all(reach <= 0.010) and np.all(reach > 0.008)
    assert 5.0 < max(turns) <= 5.0 * np.sqrt(3.0), "about three axes"


def test_clearance_is_added_to_the_gap_on_every_side() -> None:
    wider = Perturbation(clearance=0.0005)
    for name, kind in (("connector/vga", ConnectorScene), ("fmb_insertion/square", FmbScene)):
        holes = []
        for task in (load_task(name), wider.applied(load_task(name))):
            scene = scene_of(task)
            assert isinstance(scene, kind)
            holes.append(scene.connector.hole if isinstance(scene, ConnectorScene) else scene.hole)
        np.testing.assert_allclose(
            np.ptp(holes[1], 0)[1] - np.ptp(holes[0], 0)[1], 0.001, atol=1e-9
        )


@pytest.mark.parametrize(("text", "fits"), [("", True), ("clearance:-0.7mm", False)])
def test_a_plug_goes_in_as_long_as_it_fits(text: str, fits: bool) -> None:
    twin = perturbed(text)
    follow(twin, 60)
    assert twin.success == fits
    assert (np.abs(twin.wrench[2]) > 5.0) == (not fits), "it presses where it does not"


def follow(twin: Twin, steps: int) -> None:
    """Sideways first, then down."""
    for _ in range(steps):
        move = np.clip(twin.offset.position, -0.015, 0.015)
        if np.hypot(*move[:2]) > 1e-3:
            move[2] = min(move[2], twin.offset.position[2] - 0.03)
        turn = np.clip(twin.offset.rotvec, -0.1, 0.1)
        twin.step(twin.pose @ Pose.from_rotvec(move, turn), TASK.period)


def test_where_there_is_no_hole_there_is_no_clearance() -> None:
    with pytest.raises(UserError, match="pick_place/corn has no hole: leave out clearance"):
        perturbed("clearance:0.1mm", "pick_place/corn")


@pytest.mark.parametrize(("text", "coefficient"), [("", 0.3), ("friction:100%", 0.6)])
def test_friction_is_what_a_dragged_plug_feels(text: str, coefficient: float) -> None:
    twin = perturbed(text)
    twin.reset(0)
    beside = twin.goal @ Pose.from_rotvec([0.02, 0.0, -0.012], np.zeros(3))
    twin.step(beside, 2.0)
    pressing = twin.goal @ Pose.from_rotvec([0.02, 0.0, 0.0], np.zeros(3))
    twin.step(pressing, 1.0)
    for way in np.linspace(0.0, 0.012, 40):
        twin.step(pressing @ Pose.from_rotvec([way, 0.0, 0.0], np.zeros(3)), 0.05)
    force = np.abs(twin.wrench[:3])
    assert force[2] > 5.0
    assert np.hypot(*force[:2]) / force[2] == pytest.approx(coefficient, rel=0.15)


@pytest.mark.parametrize("task", FAMILIES)
def test_the_board_slides_and_is_back_in_the_next_episode(task: str) -> None:
    twin = perturbed("board:8mm", task)
    still = Twin(load_task(task))
    start = still.pose
    body, at_rest = twin.data.body(twin.scene.board), still.data.body(still.scene.board)
    twin.reset(0)
    np.testing.assert_array_equal(body.xpos, at_rest.xpos)
    twin.step(start, 1.0)
    moved = body.xpos - at_rest.xpos
    assert np.linalg.norm(moved) == pytest.approx(0.008, abs=1e-6) and moved[2] == 0.0
    twin.step(start, 1.0)
    np.testing.assert_allclose(body.xpos, at_rest.xpos, atol=1e-9)
    twin.step(start, 1.0)
    np.testing.assert_allclose(body.xpos - at_rest.xpos, -moved, atol=1e-9)
    twin.reset(0)
    np.testing.assert_array_equal(body.xpos, at_rest.xpos)


def test_the_goal_moves_with_the_board_and_so_does_what_counts_as_done() -> None:
    twin = perturbed("board:8mm")
    twin.reset(0)
    goal, start = twin.goal.position, twin.pose
    twin.step(start, 1.0)
    socket = twin.data.body("socket").xpos - Twin(TASK).data.body("socket").xpos
    np.testing.assert_allclose(twin.goal.position - goal, socket, atol=1e-9)
    seen = twin.pose.transform(twin.offset.position)
    np.testing.assert_allclose(seen, twin.goal.position, atol=1e-9)
    follow(twin, 60)
    # 7 s after the start the board is 8 mm away from its place, on the other side.
    assert twin.success and np.linalg.norm(twin.pose.position - goal) > 0.006


def test_noise_has_the_spread_that_was_asked_for() -> None:
    twin, still = perturbed("noise:2mm,force_noise:3N,image_noise:5%"), Twin(TASK)
    offsets, wrenches = [], []
    for _ in range(400):
        for each in (twin, still):
            each.step(still.pose, 0.002)
        offsets.append(twin.offset.position - still.offset.position)
        wrenches.append(twin.wrench - still.wrench)
        assert np.array_equal(twin.wrench, twin.wrench), "a moment is measured once"
    spread, force = np.std(offsets, axis=0), np.std(wrenches, axis=0)
    np.testing.assert_allclose(spread, 0.002, rtol=0.15)
    np.testing.assert_allclose(force, [3.0] * 3 + [0.3] * 3, rtol=0.15)
    np.testing.assert_allclose(np.mean(offsets, axis=0), 0.0, atol=0.0004)
    clean = still.image()
    grey = (clean > 100) & (clean < 155)
    error = twin.image().astype(float) - clean
    assert grey.sum() > 1000 and error[grey].std() == pytest.approx(0.05 * 255, rel=0.05)


@pytest.mark.parametrize("text", ["board:5mm", "latency:100ms", "friction:200%"])
@pytest.mark.parametrize("task", ["pick_place/pepper", "fmb_assembly/rectangle"])
def test_what_sees_can_still_do_the_task(task: str, text: str) -> None:
    twin = perturbed(text, task)
    for _ in live(twin, 2):
        pass
    assert twin.success


def path(twin: Twin, targets: list[Pose], seconds: float = 0.1) -> list[np.ndarray]:
    twin.reset(3)
    positions = []
    for target in targets:
        twin.step(target, seconds)
        positions.append(twin.data.qpos[:7].copy())
    return positions


def test_what_is_carried_out_is_the_target_of_so_long_ago() -> None:
    twin = Twin(TASK)
    twin.reset(3)
    start = Pose(twin.data.mocap_pos[0].copy(), np.roll(twin.data.mocap_quat[0], -1))
    targets = [start @ Pose.from_rotvec([0.004 * n, 0.0, 0.002 * n], np.zeros(3)) for n in range(9)]
    late = path(perturbed("latency:200ms"), targets)
    assert np.array_equal(late, path(twin, [start, start, *targets])[: len(targets)])
    halves = path(perturbed("latency:50ms"), targets)
    each = [target for target in targets for _ in range(2)]
    assert np.array_equal(halves, path(twin, [start, *each], 0.05)[1 : len(each) : 2])


def test_the_gripper_is_late_too() -> None:
    twin = perturbed("latency:100ms", "pick_place/pepper")
    twin.reset(0)
    start, width = twin.pose, twin.gripper_width
    twin.command_gripper(0.0, 0.1, 30.0)
    twin.step(start, 0.1)
    assert twin.gripper_width == pytest.approx(width, abs=1e-4)
    twin.step(start, 0.1)
    assert twin.gripper_width < width - 0.003
    twin.command_gripper(0.08, 0.1, 30.0)
    twin.reset(0)
    twin.step(start, 0.3)
    assert twin.gripper_width == pytest.approx(width, abs=1e-4), "forgotten with its episode"
