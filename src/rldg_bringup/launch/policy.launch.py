# SPDX-License-Identifier: Apache-2.0
"""A trained policy acts until somebody stops it."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack policy`."""
    return launch_description("policy")
