# SPDX-License-Identifier: Apache-2.0
"""The live view as a node. On a terminal it redraws a panel; in a pipe or log it prints a line now and then."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rich.live import Live

from rldg_core import contract
from rldg_core.commands.console import plain_console
from rldg_core.gate_reason import ReasonCode
from rldg_core.user_error import UserError
from rldg_msgs.msg import LearnerStatus, RunStatus, SafetyState
from rldg_rl.monitor import MonitorState, line, outcome, render
from rldg_rl.own_run import listen_to_own
from rldg_rl.run_folder import RunFolder
from rldg_robot.node_main import run_node
from rldg_robot.ros import listen_to

REDRAW_PERIOD = 0.5  # [s]
LINE_PERIOD = 10.0  # [s]
VIEW = "http://localhost:8090"
RUN_FIELDS = (
    *("task", "phase", "demos", "demos_wanted", "steps", "steps_wanted", "episodes", "evaluations"),
    *(
        "evaluations_wanted",
        "collected",
        "collected_wanted",
        "success_rate",
        "cycle_seconds",
        "interventions",
        "by_hand",
        "steps_per_second",
    ),
    *("wall_seconds", "seconds_left", "reset_seconds", "attention", "note"),
)


class MonitorNode(Node):
    """Draws what others tell; decides nothing."""

    def __init__(self) -> None:
        super().__init__("monitor")
        self.run = RunFolder(Path(self.declare_parameter("run", "runs/unnamed").value))
        viewer = self.declare_parameter("viewer", False).value
        self.scene = MonitorState(self.run.path.name, view=VIEW if viewer else "")
        self._console = plain_console()
        redraws = sys.stdout.isatty() and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, auto_refresh=False) if redraws else None
        self._printed = 0.0
        self._over = False
        if self._live:
            self._live.start()
        listen_to_own(self, contract.RUN_STATUS, self.run, self._on_run)
        listen_to_own(self, contract.LEARNER_STATUS, self.run, self._on_learner)
        listen_to(self, contract.SAFETY_STATE, self._on_safety)
        self.create_timer(REDRAW_PERIOD, self._draw, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_run(self, message: RunStatus) -> None:
        changed = (message.phase, message.note) != (self.scene.phase, self.scene.note)
        for field in RUN_FIELDS:
            setattr(self.scene, field, getattr(message, field))
        if changed:
            self._printed = 0.0
        if message.phase == "done" and not self._over:
            self._finish()

    def _on_learner(self, message: LearnerStatus) -> None:
        self.scene.updates = message.updates
        self.scene.updates_per_second = message.updates_per_second
        self.scene.entropy = message.entropy
        # What the whole run waits for is shown already.
        self.scene.learner = "" if message.note == self.scene.note else message.note

    def _on_safety(self, message: SafetyState) -> None:
        stopped = message.state == SafetyState.STOPPED
        shown = stopped or ReasonCode(message.reason_code).needs_person
        self.scene.gate = message.reason if shown else ""

    def _draw(self) -> None:
        if self._over:
            return
        if self._live:
            self._live.update(render(self.scene), refresh=True)
        elif time.monotonic() - self._printed > LINE_PERIOD:
            self._printed = time.monotonic()
            print(line(self.scene), flush=True)

    def _finish(self) -> None:
        self._draw()
        self._over = True
        if self._live:
            self._live.stop()
        if not self.run.summary.is_file():
            return
        try:
            self._console.print(outcome(self.run.path))
        except (UserError, LookupError, TypeError, ValueError) as error:
            print(f"{self.run.summary} cannot be shown: {error}", flush=True)

    def destroy_node(self) -> None:
        """Give the terminal back."""
        if self._live and not self._over:
            self._live.stop()
        super().destroy_node()


def main() -> None:
    """Entry point."""
    run_node(MonitorNode, last_words=True)  # it gives the terminal back
