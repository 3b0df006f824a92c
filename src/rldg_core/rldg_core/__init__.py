# SPDX-License-Identifier: Apache-2.0
"""What all packages share: topics, tasks, poses, files, bags, commands, workers. Neither ROS nor MuJoCo."""

from rldg_core import quiet_stop as quiet_stop
