# SPDX-License-Identifier: Apache-2.0
"""A Franka arm behind franka_ros2 and crisp's controller, and a simulation of both."""
