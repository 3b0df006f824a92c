# SPDX-License-Identifier: Apache-2.0
"""The live view as a node."""

from __future__ import annotations

from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from rldg_core import contract
from rldg_rl.monitor_screen import REDRAW_PERIOD, MonitorScreen
from rldg_rl.own_run import listen_to_own
from rldg_rl.run_folder import RunFolder
from rldg_robot.node_main import run_node
from rldg_robot.ros import listen_to

VIEW = "http://localhost:8090"


class MonitorNode(Node):
    """Hears for the screen."""

    def __init__(self) -> None:
        super().__init__("monitor")
        run = RunFolder(Path(self.declare_parameter("run", "runs/unnamed").value))
        viewer = self.declare_parameter("viewer", False).value
        self.screen = screen = MonitorScreen(run, VIEW if viewer else "")
        listen_to_own(self, contract.RUN_STATUS, run, screen.hear_run)
        listen_to_own(self, contract.LEARNER_STATUS, run, screen.hear_learner)
        listen_to(self, contract.SAFETY_STATE, screen.hear_gate)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(REDRAW_PERIOD, screen.draw, clock=steady)

    def destroy_node(self) -> None:
        """Give the terminal back."""
        self.screen.close()
        super().destroy_node()


def main() -> None:
    """Entry point."""
    run_node(MonitorNode, last_words=True)  # it gives the terminal back
