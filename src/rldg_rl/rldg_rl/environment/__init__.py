# SPDX-License-Identifier: Apache-2.0
"""What is learned in: a Gymnasium environment over a robot, its reward and its resets."""
