# SPDX-License-Identifier: Apache-2.0
"""The generalist, offline: from bags to datasets. Nothing here imports rclpy."""
