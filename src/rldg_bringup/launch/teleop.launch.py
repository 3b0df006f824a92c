# SPDX-License-Identifier: Apache-2.0
"""A person drives the robot, and records episodes when they want to."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack teleop`."""
    return launch_description("teleop")
