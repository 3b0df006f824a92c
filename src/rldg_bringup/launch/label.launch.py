# SPDX-License-Identifier: Apache-2.0
"""A person does the task and says when it is done, for a reward classifier to learn from."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack label`."""
    return launch_description("label")
