# SPDX-License-Identifier: Apache-2.0
"""Bags of a plain `ros2 bag record`: what is in them is found out, and brought on one time line."""
