# SPDX-License-Identifier: Apache-2.0
"""The worlds of the families beyond connectors: drawn anew, solvable, honest about success, and seen by the camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dacite
import numpy as np
import pytest
from waypoints import FORCE, SPEED, live, press, steer

from rldg_core.poses import Pose
from rldg_core.task import load_task, task_ids
from rldg_robot.safety import Gate
from rldg_robot.simulation import scene
from rldg_robot.simulation.film import Film
from rldg_robot.simulation.scenes import scene_of
from rldg_robot.simulation.scenes.fmb import DEPTH, PROTRUSION
from rldg_robot.simulation.scenes.scene import SceneState, UnknownThing
from rldg_robot.simulation.twin import MAX_WIDTH, Twin

TASKS = [task for task in task_ids() if not task.startswith("connector/")]
GRASPING = [task for task in TASKS if load_task(task).grasp]


@pytest.fixture(scope="module")
def twins() -> Iterator[dict[str, Twin]]:
    """One twin per task: tests reset it."""
    made = {task: Twin(load_task(task), image_size=96) for task in TASKS}
    yield made
    for twin in made.values():
        twin.close()


def solved(twin: Twin, seed: int) -> bool:
    for _ in live(twin, seed):
        pass
    return twin.success


def until_held(twin: Twin, seed: int) -> None:
    """Live until the object is between the fingers and off the table."""
    start = None
    for _ in live(twin, seed):
        start = twin.objects[-1].position[2] if start is None else start
        if twin.gripper_grasped and twin.objects[-1].position[2] > start + 0.02:
            return
    raise AssertionError("it was never lifted")


@pytest.mark.parametrize("task_id", TASKS)
def test_waypoints_solve_it(twins: dict[str, Twin], task_id: str) -> None:
    seeds = range(20 if load_task(task_id).seen else 5)
    failures = [seed for seed in seeds if not solved(twins[task_id], seed)]
    assert len(failures) <= len(seeds) // 20, failures


@pytest.mark.parametrize("task_id", TASKS)
def test_a_gate_lets_the_way_to_success_pass(twins: dict[str, Twin], task_id: str) -> None:
    """No target on the way is clamped, no wrench stops it."""
    twin = twins[task_id]
    gate = Gate(twin.task)
    twin.reset(2)
    asked, stamp, period = 0.0, 1, int(1e9 * twin.task.period)
    for _ in range(twin.task.horizon):
        stamp += period
        gate.on_state(stamp, twin.pose)
        gate.on_image(stamp)
        gate.on_wrench(stamp, twin.wrench)
        decision = gate.command(stamp, "base", steer(twin), stamp)
        assert decision.passed, decision.reason
        asked = press(twin, asked)
        twin.step(decision.target, twin.task.period)
        if twin.success:
            break
    assert twin.success and gate.clamped == 0


@pytest.mark.parametrize("task_id", TASKS)
def test_the_same_seed_gives_the_same_bits(twins: dict[str, Twin], task_id: str) -> None:
    twin = twins[task_id]
    twin.reset(7, randomize=True)
    state, image, objects = twin.state(), twin.image(), twin.objects
    twin.reset(8)
    assert not np.array_equal(twin.objects[0].position, objects[0].position)
    list(zip(range(60), live(twin, 3), strict=False))
    twin.reset(7, randomize=True)
    np.testing.assert_array_equal(twin.state(), state)
    np.testing.assert_array_equal(twin.image(), image)


@pytest.mark.parametrize("task_id", TASKS)
def test_random_looks_change_the_picture_and_nothing_else(
    twins: dict[str, Twin], task_id: str
) -> None:
    twin = twins[task_id]
    twin.reset(1)
    state, image = twin.state(), twin.image().astype(int)
    twin.reset(1, randomize=True)
    np.testing.assert_array_equal(twin.state(), state)
    assert np.abs(twin.image() - image).mean() > 5


@pytest.mark.parametrize("task_id", TASKS)
def test_the_wrist_camera_sees_where_to_go_from_the_start(
    twins: dict[str, Twin], task_id: str
) -> None:
    """At least 0.5 % of the picture is what is to be grasped, or else the board, in nearly every episode."""
    twin = Twin(twins[task_id].task, image_size=96)
    twin.image()
    renderer = twin._renderer
    assert renderer is not None
    renderer.enable_segmentation_rendering()
    body = twin.model.body(twin.scene.movable[-1]).id
    seen = 0
    for seed in range(40):
        twin.reset(seed)
        geoms = twin.image()[..., 0]
        seen += np.mean((geoms >= 0) & (twin.model.geom_bodyid[geoms] == body)) > 0.005
    twin.close()
    assert seen >= 38


@pytest.mark.parametrize("task_id", TASKS)
def test_film_shows_the_scene_where_it_is(twins: dict[str, Twin], task_id: str) -> None:
    twin = twins[task_id]
    film = Film(twin.task, 96, shadows=False)
    frames = []
    for seed in (0, 1):
        twin.reset(seed)
        frames.append(film.frame(twin.joint_positions, twin.objects).astype(int))
    assert np.abs(frames[0] - frames[1]).mean() > 0.5
    usual = scene_of(twin.task).place(np.random.default_rng(0))
    alone, named = (film.frame(twin.joint_positions, objects) for objects in ((), usual))
    assert (alone == named).all(), "where nobody sees them they are where the task has them"
    with pytest.raises(ValueError, match="objects given, expected"):
        film.frame(twin.joint_positions, [*twin.objects, *twin.objects])
    film.close()


@pytest.mark.parametrize("task_id", GRASPING)
def test_a_grasp_holds_against_gravity_jerks_and_time(twins: dict[str, Twin], task_id: str) -> None:
    twin = twins[task_id]
    until_held(twin, 0)
    held = twin.objects[-1].relative_to(twin.pose)
    here = twin.pose
    for way in ([0, 0, -0.04], [0.03, 0, -0.04], [-0.03, 0.03, -0.04], [0, 0, -0.04]):
        twin.step(here @ Pose.from_rotvec(way, [0, 0, 0]), 1.0)
    slipped = twin.objects[-1].relative_to(twin.pose).position - held.position
    assert np.abs(slipped).max() < 0.001
    assert twin.gripper_grasped and not twin.success
    np.testing.assert_allclose(twin.joint_efforts[7:], -FORCE)


def test_what_was_grasped_askew_and_turns_between_the_fingers_is_still_held(
    twins: dict[str, Twin],
) -> None:
    twin = twins["pick_place/pepper"]
    twin.reset(3)
    askew = twin.task.goal_pose @ Pose.from_rotvec(np.zeros(3), [0, 0, 0.5])
    for height in (0.06, 0.0):
        way = Pose(twin.objects[-1].position + [0, 0, height], askew.quaternion)
        for _ in range(15):
            here = twin.pose.position
            step = np.clip(way.position - here, -0.02, 0.02)
            twin.step(Pose(here + step, way.quaternion), 0.1)
    twin.command_gripper(0.0, SPEED, FORCE)
    here = twin.pose
    twin.step(here, 0.8)
    first = twin.gripper_width
    for side in (1.0, -1.0) * 12:
        twin.step(here @ Pose.from_rotvec([0.01 * side, 0, 0], [0, 0, 0.1 * side]), 0.1)
    assert twin.gripper_width < first - 0.005
    assert twin.gripper_grasped and twin.progress == 0.5


@pytest.mark.parametrize("task_id", GRASPING)
def test_a_held_object_weighs_on_the_wrist(twins: dict[str, Twin], task_id: str) -> None:
    twin = twins[task_id]
    twin.reset(0)
    np.testing.assert_allclose(twin.wrench, 0.0, atol=0.3)
    until_held(twin, 0)
    twin.step(twin.pose, 2.0)
    body = twin.model.body("object")
    weight = 9.81 * float(body.mass[0])
    assert twin.wrench[2] == pytest.approx(weight, abs=0.05)  # z of the tool points down


@pytest.mark.parametrize("task_id", GRASPING)
def test_a_state_with_a_grasp_can_be_replayed(twins: dict[str, Twin], task_id: str) -> None:
    twin = twins[task_id]
    until_held(twin, 0)
    state, target = twin.state(), twin.pose
    twin.step(target, 0.3)
    end = twin.state()
    twin.reset(4)
    twin.set_state(state)
    assert twin.gripper_grasped
    twin.step(target, 0.3)
    np.testing.assert_array_equal(twin.state(), end)


@pytest.mark.parametrize("task_id", GRASPING)
def test_open_fingers_drop_it_and_it_can_be_picked_up_again(
    twins: dict[str, Twin], task_id: str
) -> None:
    twin = twins[task_id]
    twin.reset(0)
    assert twin.gripper_width == pytest.approx(MAX_WIDTH, abs=1e-3) and not twin.gripper_grasped
    until_held(twin, 0)
    assert twin.progress > 0.0
    # Low enough to stay upright.
    twin.step(twin.pose @ Pose.from_rotvec([0, 0, 0.02], [0, 0, 0]), 1.0)
    twin.command_gripper(MAX_WIDTH, SPEED, FORCE)
    twin.step(twin.pose, 1.5)
    assert not twin.gripper_grasped and twin.progress == 0.0
    asked = 1.0
    for _ in range(twin.task.horizon):
        asked = press(twin, asked)
        twin.step(steer(twin), twin.task.period)
        if twin.success:
            return
    raise AssertionError("it was not picked up again")


@pytest.mark.parametrize("task_id", GRASPING)
def test_fingers_that_closed_on_nothing_are_to_open_above(
    twins: dict[str, Twin], task_id: str
) -> None:
    twin = twins[task_id]
    twin.reset(0)
    assert twin.goal_gripper == -1.0  # on the object
    twin.command_gripper(0.0, SPEED, FORCE)
    twin.step(twin.pose, 1.5)
    assert not twin.gripper_grasped and not twin.gripper_moving
    assert twin.gripper_width < 1e-3 and twin.goal_gripper == 1.0
    assert twin.goal.position[2] > twin.objects[-1].position[2] + 0.05
    assert twin.progress == 0.0


def test_over_the_bowl_is_not_in_it_and_held_in_it_is_not_done(twins: dict[str, Twin]) -> None:
    twin = twins["pick_place/pepper"]
    for _ in live(twin, 0):
        if twin.goal_gripper == 1.0 and np.linalg.norm(twin.offset.position) < 0.02:
            break
    # Still held, now lowered into the bowl.
    low = Pose(twin.goal.position - [0, 0, 0.05], twin.goal.quaternion)
    assert not twin.success
    twin.step(low, 1.0)
    assert twin.objects[0].position[2] < 0.045 and not twin.success
    twin.command_gripper(MAX_WIDTH, SPEED, FORCE)
    twin.step(twin.pose, 1.5)
    assert twin.success


def test_an_assembly_progresses_in_stages(twins: dict[str, Twin]) -> None:
    """Lying, held, held over the hole, and from there on only further, down to the end."""
    twin = twins["fmb_assembly/rectangle"]
    reported = []
    for _ in live(twin, 0):
        reported.append(twin.progress)
    assert twin.success and reported == sorted(reported)
    assert {0.0, 0.25, 0.5} == {progress for progress in reported if progress <= 0.5}
    assert any(0.5 < progress < 0.95 for progress in reported)
    assert reported.index(0.5) < reported.index(next(p for p in reported if p > 0.5)) - 3, (
        "well before the hole"
    )


@pytest.mark.parametrize(
    ("way", "turn", "progress"),
    [
        ([0.012, 0.0, -0.03], [0.0, 0.0, 0.0], 0.5),
        ([0.0, 0.012, -0.10], [0.0, 0.0, 0.0], 0.5),
        ([0.0, 0.019, -0.03], [0.0, 0.0, 0.0], 0.25),
        ([0.0, 0.0, -0.06], [0.3, 0.0, 0.0], 0.25),
    ],
)
def test_a_shape_is_over_the_hole_where_its_tip_is_upright(
    way: list[float], turn: list[float], progress: float
) -> None:
    """`way` [m] from the inserted pose along the tool's axes, `turn` [rad] about the tip."""
    scene = scene_of(load_task("fmb_assembly/rectangle"))
    board, shape = scene.place(np.random.default_rng(0))
    inserted = board @ Pose.from_rotvec([0.0, 0.0, DEPTH - PROTRUSION], np.zeros(3))
    tip = Pose.from_rotvec([0.0, 0.0, PROTRUSION], np.zeros(3))
    shape = inserted @ Pose.from_rotvec(way, np.zeros(3)) @ tip @ Pose.from_rotvec([0, 0, 0], turn)
    shape = shape @ tip.inverse()
    held = SceneState(shape, (board, shape), speed=0.0, width=0.026, grasped=True)
    assert scene.progress(held) == progress
    assert scene.progress(replace(held, width=0.08, grasped=False)) == 0.0


@pytest.mark.parametrize("shape", ["rectangle", "square", "hexagon", "circle"])
def test_a_shape_stays_out_where_it_does_not_belong(twins: dict[str, Twin], shape: str) -> None:
    """Beside the hole by more than tolerance and rounded tip forgive; and nothing tunnels under full force."""
    twin = twins[f"fmb_insertion/{shape}"]
    for way in ([0.006, 0, 0], [0, -0.006, 0], [0.02, 0.015, 0]):
        twin.reset(3)
        goal = twin.goal @ Pose.from_rotvec(way, [0, 0, 0])
        for height in (0.1, 0.04, 0.01, -0.05, -0.05):
            twin.step(goal @ Pose.from_rotvec([0, 0, -height], [0, 0, 0]), 1.5)
        assert twin.progress < 0.1, way
        depth = twin.pose.relative_to(twin.goal).position[2] + DEPTH
        assert depth < 5e-4


def test_an_inserted_shape_stays_in_and_the_board_where_it_is(twins: dict[str, Twin]) -> None:
    twin = twins["fmb_insertion/rectangle"]
    assert solved(twin, 1)
    (board,) = twin.objects
    for x, y in [(0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05)]:
        twin.step(twin.goal @ Pose.from_rotvec([x, y, 0.01], [0, 0, 0]), 0.5)
        assert np.abs(twin.pose.relative_to(twin.goal).position).max() < 4e-3
        assert twin.progress > 0.9
    np.testing.assert_array_equal(twin.objects[0].position, board.position)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pick_place": {"produce": "leek", "table": "grey"}}, "no 'leek'.*pepper, corn"),
        ({"fmb": "star"}, "no shape 'star'; there are: rectangle"),
        ({"puzzle": 3}, "takes one of the kinds connector, pick_place, fmb"),
        ({"fmb": "circle", "connector": "vga"}, "takes one of the kinds"),
    ],
)
def test_unknown_names_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UnknownThing, match=message):
        scene.build(replace(load_task("pick_place/pepper"), scene=wrong))


def test_a_misspelt_setting_is_refused() -> None:
    task = replace(
        load_task("pick_place/pepper"), scene={"pick_place": {"produce": "corn", "tabel": "grey"}}
    )
    with pytest.raises(dacite.DaciteError, match="tabel"):
        scene.build(task)
