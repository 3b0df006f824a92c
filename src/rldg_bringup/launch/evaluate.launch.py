# SPDX-License-Identifier: Apache-2.0
"""A trained policy is evaluated."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack evaluate`."""
    return launch_description("evaluate")
