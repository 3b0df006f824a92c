# SPDX-License-Identifier: Apache-2.0
"""Episodes and their steps: on disk, on the wire, in the replay buffer, and once more on the robot."""
