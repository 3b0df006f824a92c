# SPDX-License-Identifier: Apache-2.0
"""A specialist learns a task: demonstrations, training, evaluation."""

from launch import LaunchDescription

from rldg_bringup.launch_stack import launch_description


def generate_launch_description() -> LaunchDescription:
    """Same graph as `stack train_rl`."""
    return launch_description("train_rl")
