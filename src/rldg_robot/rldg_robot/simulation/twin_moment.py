# SPDX-License-Identifier: Apache-2.0
"""One moment of the twin as a driver tells of it."""

from __future__ import annotations

from rldg_msgs.msg import TaskState
from rldg_robot.arm.body import Body
from rldg_robot.ros_values import to_pose_msg
from rldg_robot.simulation.twin import Twin


def moment_of(twin: Twin) -> tuple[Body, TaskState]:
    """What is measured, and what only a simulation knows; both without stamps."""
    body = Body(
        pose=twin.pose,
        twist=twin.twist,
        wrench=twin.wrench,
        joint_positions=twin.joint_positions,
        joint_velocities=twin.joint_velocities,
        joint_efforts=twin.joint_efforts,
        gripper_width=twin.gripper_width,
        gripper_moving=twin.gripper_moving,
        gripper_grasped=twin.gripper_grasped,
    )
    task_state = TaskState(
        goal=to_pose_msg(twin.goal),
        offset=to_pose_msg(twin.offset),
        progress=float(twin.progress),
        success=bool(twin.success),
        gripper=float(twin.goal_gripper),
        objects=[to_pose_msg(pose) for pose in twin.objects],
    )
    return body, task_state
