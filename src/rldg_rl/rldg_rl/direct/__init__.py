# SPDX-License-Identifier: Apache-2.0
"""Training and collection in one process, without ROS: the parts that are nodes elsewhere."""
