# SPDX-License-Identifier: Apache-2.0
"""A real wrist camera alone: to aim it, and to see whether its images arrive."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack camera`."""
    return launch_description("camera")
