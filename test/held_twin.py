# SPDX-License-Identifier: Apache-2.0
"""The twin's node with a plug that sticks in its socket, as one does that was canted: as long as a file is there.

held_twin.py <file> --ros-args ...
"""

from __future__ import annotations

import sys
from pathlib import Path

from geometry_msgs.msg import PoseStamped

from rldg_robot.node_main import run_node
from rldg_robot.simulation.twin_node import TwinNode

NEWTONS = 40.0
"""more than the compliance pulls with"""
FILE = Path(sys.argv.pop(1))


class HeldTwin(TwinNode):
    """Holds the plug of a finished insertion down."""

    def _on_target(self, message: PoseStamped) -> None:
        sticks = FILE.exists() and self.twin.success
        self.twin.data.body("plug").xfrc_applied[2] = -NEWTONS if sticks else 0.0
        super()._on_target(message)


if __name__ == "__main__":
    run_node(HeldTwin)
