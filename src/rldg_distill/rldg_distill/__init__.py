# SPDX-License-Identifier: Apache-2.0
"""The generalist, offline: from bags to datasets to students. Nothing here imports rclpy."""

from rldg_core import quiet_stop as quiet_stop
