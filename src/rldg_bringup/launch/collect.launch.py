# SPDX-License-Identifier: Apache-2.0
"""Successful episodes are gathered for a dataset."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack collect`."""
    return launch_description("collect")
