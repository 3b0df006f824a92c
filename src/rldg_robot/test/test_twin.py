# SPDX-License-Identifier: Apache-2.0
"""The twin as an instrument: determinism, measurements, gripper, pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from rldg_core.contract import JOINT_NAMES
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_robot.simulation.connectors import connector
from rldg_robot.simulation.film import Film
from rldg_robot.simulation.twin import MAX_WIDTH, Twin

TASK = load_task("connector/vga")


@pytest.fixture(scope="module")
def shared_twin() -> Iterator[Twin]:
    twin = Twin(TASK, image_size=96)
    yield twin
    twin.close()


@pytest.fixture
def twin(shared_twin: Twin) -> Twin:
    shared_twin.reset(0)
    return shared_twin


def test_the_same_seed_gives_the_same_bits(twin: Twin) -> None:
    twin.reset(7, randomize=True)
    state, image = twin.state(), twin.image()
    twin.reset(8)
    assert not np.array_equal(twin.state(), state)
    twin.step(twin.goal, 1.0)
    twin.reset(7, randomize=True)
    np.testing.assert_array_equal(twin.state(), state)
    np.testing.assert_array_equal(twin.image(), image)
    other = Twin(TASK, image_size=96)
    other.reset(7, randomize=True)
    np.testing.assert_array_equal(other.state(), state)
    np.testing.assert_array_equal(other.image(), image)
    other.close()


@pytest.mark.parametrize("task", ["connector/vga", "fmb_insertion/rectangle", "pick_place/pepper"])
def test_the_world_is_drawn_as_by_a_reset_around_an_arm_that_stays(task: str) -> None:
    twin, other = Twin(load_task(task)), Twin(load_task(task))
    up = Pose(twin.pose.position + [0.0, 0.0, 0.02], twin.pose.quaternion)
    twin.step(up, 0.3)
    joints, velocities = twin.joint_positions, twin.joint_velocities
    twin.rearrange(7)
    other.rearrange(3)
    other.rearrange(7)
    np.testing.assert_array_equal(twin.joint_positions, joints)
    np.testing.assert_array_equal(twin.joint_velocities, velocities)
    there = [pose.position for pose in twin.objects]
    np.testing.assert_array_equal(there, [pose.position for pose in other.objects])
    other.reset(7)
    np.testing.assert_allclose(there, [pose.position for pose in other.objects], atol=2e-3)
    twin.step(up, 0.3)
    np.testing.assert_allclose(there, [pose.position for pose in twin.objects], atol=2e-3)


def test_a_state_can_be_replayed(twin: Twin) -> None:
    target = twin.goal @ Pose.from_rotvec([0.01, 0, -0.01], [0, 0, 0])
    twin.step(target, 0.3)
    state = twin.state()
    twin.step(target, 0.3)
    end, wrench = twin.state(), twin.wrench
    twin.set_state(state)
    twin.step(target, 0.3)
    np.testing.assert_array_equal(twin.state(), end)
    np.testing.assert_array_equal(twin.wrench, wrench)


def test_start_poses_fill_the_reset_range(twin: Twin) -> None:
    poses = []
    for seed in range(40):
        twin.reset(seed)
        poses.append(twin.pose.relative_to(twin.goal))
        assert np.abs(twin.twist).max() < 0.02
    positions = np.array([p.position for p in poses])
    yaws = np.array([p.rotvec[2] for p in poses])
    reset = TASK.reset
    np.testing.assert_allclose(positions[:, 2], -reset.height, atol=2e-3)
    for values, limit in (
        (positions[:, 0], reset.xy),
        (positions[:, 1], reset.xy),
        (yaws, reset.yaw),
    ):
        assert np.abs(values).max() < 1.05 * limit
        assert values.min() < -0.7 * limit and values.max() > 0.7 * limit


def test_measurements_agree(twin: Twin) -> None:
    assert twin.joint_positions.shape == (len(JOINT_NAMES),) == twin.joint_efforts.shape
    np.testing.assert_allclose(twin.wrench, 0.0, atol=0.05)
    before = twin.pose
    target = before @ Pose.from_rotvec([0.01, 0, 0], [0, 0, 0.05])
    twin.step(target, 0.1)
    twin.step(target, 0.002)
    first, twist = twin.pose, twin.twist
    twin.step(target, 0.002)
    moved = (twin.pose.position - first.position) / 0.002
    np.testing.assert_allclose(moved, twist[:3], atol=5e-3)
    # Goal frame and base: the tool points down, so a turn about its z is a turn about minus z of
    # base.
    assert twist[5] < 0.0
    back = twin.pose @ twin.offset
    np.testing.assert_allclose(back.position, twin.goal.position, atol=1e-9)


def test_a_target_that_is_not_finite_is_refused(twin: Twin) -> None:
    state = twin.state()
    for target in (
        Pose(np.array([np.nan, 0.0, 0.3]), np.array([1.0, 0.0, 0.0, 0.0])),
        Pose(np.array([0.5, 0.0, 0.3]), np.array([np.nan, 0.0, 0.0, 0.0])),
    ):
        with pytest.raises(ValueError, match="target pose is not finite"):
            twin.step(target, 0.1)
    np.testing.assert_array_equal(twin.state(), state)


def test_gripper_opens_and_closes_on_the_plug(twin: Twin) -> None:
    closed = connector("vga").grip[1]
    assert twin.gripper_grasped and not twin.gripper_moving
    assert twin.gripper_width == pytest.approx(closed, abs=1e-4)
    pose = twin.pose
    twin.command_gripper(MAX_WIDTH, speed=0.1, force=0.0)
    twin.step(pose, 0.1)
    assert twin.gripper_moving and not twin.gripper_grasped
    assert closed + 0.005 < twin.gripper_width < closed + 0.015
    twin.step(pose, 1.0)
    assert not twin.gripper_moving
    assert twin.gripper_width == pytest.approx(MAX_WIDTH, abs=1e-3)
    twin.command_gripper(0.0, speed=0.1, force=30.0)
    twin.step(pose, 1.5)
    assert twin.gripper_grasped and not twin.gripper_moving
    assert twin.gripper_width == pytest.approx(closed, abs=1e-3)
    np.testing.assert_allclose(twin.joint_efforts[7:], -30.0)


def test_randomised_looks_differ_and_are_undone(twin: Twin) -> None:
    nominal = twin.image()
    state = twin.state()
    images = []
    for seed in range(4):
        twin.reset(seed, randomize=True)
        images.append(twin.image())
    assert all(np.abs(i.astype(int) - nominal).mean() > 5 for i in images)
    twin.reset(0)
    np.testing.assert_array_equal(twin.image(), nominal)
    np.testing.assert_array_equal(twin.state(), state)


def test_looks_do_not_change_the_start(twin: Twin) -> None:
    state = twin.state()
    twin.reset(0, randomize=True)
    np.testing.assert_array_equal(twin.state(), state)


def test_the_wrist_camera_sees_socket_and_plug(twin: Twin) -> None:
    """Both project into the picture from every start; the camera matrix is the one that was
    rendered with.
    """
    matrix = twin.camera_matrix
    for seed in range(20):
        twin.reset(seed)
        camera = twin.data.camera("wrist")
        # MuJoCo's cameras look along -z with y up, the pinhole's along z with y down.
        axes = camera.xmat.reshape(3, 3) * [1, -1, -1]
        tip = twin.pose.transform([0, 0, connector("vga").protrusion])
        mouth = twin.goal.transform([0, 0, 0.018])
        for point in (tip, mouth):
            u, v, depth = matrix @ (axes.T @ (point - camera.xpos))
            assert 0.05 < depth < 0.25
            assert 0 <= u / depth < twin.image_size and 0 <= v / depth < twin.image_size


def test_film_shows_the_recorded_pose(twin: Twin) -> None:
    film = Film(TASK, 96, shadows=False)
    start = film.frame(twin.joint_positions)
    assert start.shape == (96, 96, 3) and start.dtype == np.uint8
    twin.step(twin.goal @ Pose.from_rotvec([0, 0, -0.02], [0, 0, 0]), 1.0)
    assert np.abs(film.frame(twin.joint_positions).astype(int) - start).mean() > 0.2
    with pytest.raises(ValueError, match="expected"):
        film.frame(np.zeros(7))
    film.close()


RECORDED = {
    # seed: TCP in base [m] and progress after 50, 100 and 150 control steps
    0: [
        (0.5001932669821254, -1.9064708533397636e-05, 0.14991612695836967, 1.0),
        (0.49751716676956487, -0.000256831077910657, 0.15025582586829417, 0.9281907714714163),
        (0.501009803246328, 0.000642582442932168, 0.14988185210855437, 1.0),
    ],
    1: [
        (0.5001980320045134, -1.8980565336116724e-05, 0.14991619419182195, 1.0),
        (0.499176493790648, 0.0004344350510412016, 0.14981641448111338, 1.0),
        (0.4979450321324506, 0.00024956228450453283, 0.15006557404287946, 0.9680273419909816),
    ],
}


@pytest.mark.parametrize("seed", RECORDED)
def test_connectors_move_as_they_were_recorded(twin: Twin, seed: int) -> None:
    """Insert, then shake in the socket at random, the gripper opening and closing: what runs before other families
    came were recorded with.
    """
    rng, measured = np.random.default_rng(seed), []
    twin.reset(seed)
    for step in range(150):
        shake = rng.uniform(-1, 1, 6)
        if step > 60:
            shake[2] = abs(shake[2])
        move, turn = shake[:3] * 0.015, shake[3:] * 0.1
        if step < 60:
            move, turn = twin.offset.position, np.clip(twin.offset.rotvec, -0.1, 0.1)
            aside = np.hypot(*move[:2])
            move = np.clip(move, -0.015, 0.015)
            if aside > 1e-3:
                move[2] = min(move[2], twin.offset.position[2] - 0.03)
        if step in (70, 90):
            twin.command_gripper(MAX_WIDTH if step == 70 else 0.0, 0.1, 30.0)
        twin.step(twin.pose @ Pose.from_rotvec(move, turn), TASK.period)
        if step % 50 == 49:
            measured.append((*twin.pose.position, twin.progress))
    # Another processor may round otherwise.
    np.testing.assert_allclose(measured, RECORDED[seed], rtol=0, atol=1e-7)
