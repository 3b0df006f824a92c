# SPDX-License-Identifier: Apache-2.0
"""Bags as they come: ours, and those of a plain `ros2 bag record`."""
