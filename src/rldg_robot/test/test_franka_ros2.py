# SPDX-License-Identifier: Apache-2.0
"""What is put together of franka_ros2's topics, and what crisp is given; without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_core.poses import Pose
from rldg_core.task import Compliance, ErrorClip, load_task
from rldg_robot.arm.gripper_motion import GripperReading, GripperTarget, Motion, motion_for
from rldg_robot.franka_ros2.foreign_messages import missing
from rldg_robot.franka_ros2.interfaces import crisp_parameters
from rldg_robot.franka_ros2.moment import ARM, MOST_PENDING, Joints, StateAssembler, WrongArm
from rldg_robot.franka_ros2.simulator import SimulatedRobot
from rldg_robot.simulation.twin import Twin

VGA = load_task("connector/vga")
WRENCH = np.arange(6.0)


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin(VGA)


def joints(twin: Twin) -> Joints:
    """In another order than the arm's."""
    back = slice(6, None, -1)
    values = (twin.joint_positions, twin.joint_velocities, twin.joint_efforts)
    return Joints(ARM[::-1], *(value[back].tolist() for value in values))


def test_a_moment_is_whole_when_all_parts_of_one_stamp_came_in_any_order(twin: Twin) -> None:
    twin.step(twin.pose @ Pose.from_rotvec([0.01, 0.0, -0.01], [0.0, 0.05, 0.0]), 0.05)
    moments = StateAssembler()
    assert moments.add(1, twin.pose) is None and moments.add(2, WRENCH) is None
    assert moments.add(2, joints(twin)) is None
    found = moments.add(2, twin.pose)
    assert found is not None
    assert np.allclose(found.joint_positions, twin.joint_positions[:7])
    assert np.allclose(found.wrench, -WRENCH), "libfranka counts what the robot exerts"
    assert np.linalg.norm(twin.twist) > 0.01 and np.allclose(found.twist, twin.twist, atol=1e-3)
    assert moments.add(2, twin.pose) is None, "given once"


def test_parts_whose_others_were_lost_are_forgotten(twin: Twin) -> None:
    moments = StateAssembler()
    for stamp in range(MOST_PENDING + 1):
        moments.add(stamp, twin.pose)
    moments.add(0, WRENCH)
    assert moments.add(0, joints(twin)) is None
    moments.add(MOST_PENDING, WRENCH)
    assert moments.add(MOST_PENDING, joints(twin)) is not None


def test_another_tool_or_another_arm_is_refused(twin: Twin) -> None:
    flange = twin.pose @ Pose.from_rotvec([0.0, 0.0, -0.1034], [0.0, 0.0, 0.7854])
    panda = [name.replace("fr3", "panda") for name in ARM]
    others = Joints(panda, *[[0.0] * 7] * 3)
    for pose, measured, message in (
        (flange, joints(twin), "103 mm and 0.79 rad"),
        (twin.pose, others, "panda_joint1"),
    ):
        moments = StateAssembler()
        moments.add(1, pose)
        moments.add(1, WRENCH)
        with pytest.raises(WrongArm, match=message):
            moments.add(1, measured)


def test_crisp_is_never_set_stiffer_than_the_task_in_either_direction() -> None:
    clip = ErrorClip((-0.015, -0.002, -0.02), (0.015, 0.007, 0.01))
    parameters = crisp_parameters(Compliance(2000.0, 180.0, 150.0, 7.0, clip, clip))
    assert [parameters[f"task.error_clip.{axis}"] for axis in "xyz"] == [0.015, 0.002, 0.01]
    assert parameters["task.error_clip.ry"] == 0.002
    assert parameters["task.k_pos_z"] == 2000.0 and parameters["task.d_rot_x"] == 7.0
    assert len(parameters) == 18


def test_the_hand_is_asked_for_nothing_where_nothing_would_change() -> None:
    def asked(width: float, now: float, grasped: bool = False) -> Motion:
        return motion_for(GripperTarget(width, 0.1, 20.0), GripperReading(now, False, grasped))

    assert asked(0.0, 0.08) is Motion.GRASP and asked(0.08, 0.0) is Motion.MOVE
    assert asked(0.0, 0.02, grasped=True) is Motion.NONE
    assert asked(0.02, 0.0201) is Motion.NONE
    assert asked(0.08, 0.02, grasped=True) is Motion.MOVE


def test_what_is_not_installed_is_reported_with_the_way_to_get_it() -> None:
    if found := missing("controller_manager_msgs"):
        assert "apt install ros-jazzy-controller-manager-msgs" in found


def test_the_simulated_controller_takes_up_what_it_heard_while_it_was_off() -> None:
    """As crisp does, and why the driver says where the arm is before it switches it on."""
    robot = SimulatedRobot(VGA)
    robot.set(crisp_parameters(VGA.compliance))
    start = robot.world.pose
    robot.hear(Pose(start.position + [0.0, 0.0, 0.01], start.quaternion))
    for _ in range(300):
        robot.tick()
    assert np.linalg.norm(robot.world.pose.position - start.position) < 1e-3
    assert robot.switch(True)
    for _ in range(700):
        robot.tick()
    assert robot.world.pose.position[2] - start.position[2] > 0.008


def test_a_simulated_reflex_ends_control_until_it_is_cleared() -> None:
    robot = SimulatedRobot(VGA, reflex_force=5.0)
    robot.set(crisp_parameters(VGA.compliance))
    goal = VGA.goal_pose
    beside = goal @ Pose.from_rotvec([0.02, 0.02, 0.03], np.zeros(3))
    robot.switch(True)
    for _ in range(3000):
        if not robot.controlled:
            break
        left = beside.position - robot.world.pose.position
        step = left * min(1.0, 0.01 / np.linalg.norm(left))
        robot.hear(Pose(robot.world.pose.position + step, goal.quaternion))
        robot.tick()
    assert robot.mode == "Reflex" and not robot.hardware and not robot.switch(True)
    robot.clear()
    robot.hardware = True
    assert robot.switch(True)
