# SPDX-License-Identifier: Apache-2.0
"""What franka_ros2 (Jazzy, 3.3 and later) and crisp_controllers (1.0) call things: topics, services, parameters.

Everything of theirs lives in one namespace, for their `target_pose` is not the gate's. Nothing here imports ROS.
"""

from __future__ import annotations

import numpy as np

from rldg_core.contract import Topic
from rldg_core.task import Compliance, ErrorClip

NAMESPACE = "franka"
"""of all that franka_ros2 starts; `namespace:=` of its launch file"""
CONTROLLER = "cartesian_impedance_controller"
"""of crisp_controllers; claims the joints' torques while it is active"""
BROADCASTERS = ("joint_state_broadcaster", "franka_robot_state_broadcaster")
"""what is always active, and ends with every error of the robot"""

_STATE = f"{NAMESPACE}/franka_robot_state_broadcaster"
# The broadcaster sends these one after the other, in this order, under one stamp.
CURRENT_POSE = Topic(f"{_STATE}/current_pose", "geometry_msgs/msg/PoseStamped", reliable=False)
STIFFNESS_FRAME_WRENCH = Topic(
    f"{_STATE}/external_wrench_in_stiffness_frame",
    "geometry_msgs/msg/WrenchStamped",
    reliable=False,
)
MEASURED_JOINTS = Topic(
    f"{_STATE}/measured_joint_states", "sensor_msgs/msg/JointState", reliable=False
)
ROBOT_STATE = Topic(f"{_STATE}/robot_state", "franka_msgs/msg/FrankaRobotState")
"""1,000 a second, whatever the rate of the others"""
FINGERS = Topic(f"{NAMESPACE}/franka_gripper/joint_states", "sensor_msgs/msg/JointState")
"""15 a second; each finger is half of the width"""
TARGET_POSE = Topic(f"{NAMESPACE}/target_pose", "geometry_msgs/msg/PoseStamped", lifespan=0.5)
"""crisp follows the last one for ever; where two publish it, it follows neither"""

_MANAGER = f"{NAMESPACE}/controller_manager"
ACTIVITY = Topic(
    f"{_MANAGER}/activity", "controller_manager_msgs/msg/ControllerManagerActivity", latched=True
)
SWITCH = f"{_MANAGER}/switch_controller"
"""controller_manager_msgs/srv/SwitchController"""
SET_HARDWARE = f"{_MANAGER}/set_hardware_component_state"
"""controller_manager_msgs/srv/SetHardwareComponentState"""
SET_PARAMETERS = f"{NAMESPACE}/{CONTROLLER}/set_parameters"
"""rcl_interfaces/srv/SetParameters"""
SET_COLLISION = f"{NAMESPACE}/service_server/set_full_collision_behavior"
"""franka_msgs/srv/SetFullCollisionBehavior"""
SET_LOAD = f"{NAMESPACE}/service_server/set_load"
"""franka_msgs/srv/SetLoad"""
RECOVER = f"{NAMESPACE}/action_server/error_recovery"
"""franka_msgs/action/ErrorRecovery"""
GRASP = f"{NAMESPACE}/franka_gripper/grasp"
"""franka_msgs/action/Grasp"""
MOVE = f"{NAMESPACE}/franka_gripper/move"
"""franka_msgs/action/Move"""

MODES = (
    "Other",
    "Idle",
    "Move",
    "Guiding",
    "Reflex",
    "UserStopped",
    "AutomaticErrorRecovery",
)
"""libfranka's names of the numbers in FrankaRobotState.robot_mode"""


def crisp_parameters(compliance: Compliance) -> dict[str, float]:
    """A task's compliance as crisp's parameters.

    With `use_local_jacobian` its axes are those of the TCP, as the task's are. Its clip is alike in both directions:
    the smaller bound of each axis is taken, so that no side is ever stiffer than the task says.
    """
    parameters: dict[str, float] = {}
    halves = (
        ("pos", "", compliance.translational_stiffness, compliance.translational_damping),
        ("rot", "r", compliance.rotational_stiffness, compliance.rotational_damping),
    )
    clips = (compliance.translational_clip, compliance.rotational_clip)
    for (kind, prefix, stiffness, damping), clip in zip(halves, clips, strict=True):
        for axis, bound in zip("xyz", smaller_bounds(clip), strict=True):
            parameters[f"task.k_{kind}_{axis}"] = stiffness
            parameters[f"task.d_{kind}_{axis}"] = damping
            parameters[f"task.error_clip.{prefix}{axis}"] = bound
    return parameters


def smaller_bounds(clip: ErrorClip) -> list[float]:
    """Of each axis."""
    bounds: list[float] = np.abs([clip.lower, clip.upper]).min(axis=0).tolist()
    return bounds
