# SPDX-License-Identifier: Apache-2.0
"""Reading bags without ROS."""
