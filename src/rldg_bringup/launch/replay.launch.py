# SPDX-License-Identifier: Apache-2.0
"""A bag is played, or executed on the robot again."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack replay`."""
    return launch_description("replay")
