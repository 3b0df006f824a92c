# SPDX-License-Identifier: Apache-2.0
"""Episodes on disk: RLDS and LeRobot, what is known of them, their steps by number."""
