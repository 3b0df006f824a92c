# SPDX-License-Identifier: Apache-2.0
"""Machine, arm, camera and gate are examined before anything moves."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack doctor`."""
    return launch_description("doctor")
