# SPDX-License-Identifier: Apache-2.0
"""franka_ros2 as robot:=franka_ros2 needs it: at the arm, beside the stack (docs/how-to/franka_ros2.md)."""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from rldg_bringup.machines import own_enclave

NAMESPACE = "franka"  # where the driver looks; crisp's target_pose must not be the gate's
CONTROLLER = "cartesian_impedance_controller"


def generate_launch_description() -> LaunchDescription:
    """The robot with its gripper and broadcasters, and the controller loaded, but not switched on."""
    share = FindPackageShare("rldg_bringup")
    ours = PathJoinSubstitution([share, "config", "franka_ros2.yaml"])
    theirs = PathJoinSubstitution(
        [FindPackageShare("franka_bringup"), "launch", "franka.launch.py"]
    )
    robot = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(theirs),
        launch_arguments={
            "robot_type": "fr3",
            "robot_ip": LaunchConfiguration("robot_ip"),
            "namespace": NAMESPACE,
            "load_gripper": "true",
            "controllers_yaml": LaunchConfiguration("controllers_yaml"),
        }.items(),
    )
    controller = Node(
        package="controller_manager",
        executable="spawner",
        namespace=NAMESPACE,
        arguments=[CONTROLLER, "--inactive"],
        output="screen",
    )
    key = [SetEnvironmentVariable(*pair) for pair in own_enclave(NAMESPACE).items()]
    return LaunchDescription(
        [
            *key,
            DeclareLaunchArgument("robot_ip", description="Address of the FR3."),
            DeclareLaunchArgument(
                "controllers_yaml",
                default_value=ours,
                description="Controllers and their parameters.",
            ),
            robot,
            controller,
        ]
    )
