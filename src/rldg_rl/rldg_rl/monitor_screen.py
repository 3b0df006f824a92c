# SPDX-License-Identifier: Apache-2.0
"""The live view on a terminal, which redraws a panel, or in a pipe or log, which gets a line now and then."""

from __future__ import annotations

import sys
import time

from rich.live import Live

from rldg_core.commands.console import plain_console
from rldg_core.gate_reason import ReasonCode
from rldg_core.user_error import UserError
from rldg_msgs.msg import LearnerStatus, RunStatus, SafetyState
from rldg_rl.monitor import MonitorState, line, outcome, render
from rldg_rl.run_folder import RunFolder

REDRAW_PERIOD = 0.5  # [s]
LINE_PERIOD = 10.0  # [s]
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


class MonitorScreen:
    """Draws what others tell; decides nothing."""

    def __init__(self, run: RunFolder, view: str = "") -> None:
        """Take the terminal, where there is one.

        Args:
            run: that is shown.
            view: where the scene can be watched; empty: nowhere.
        """
        self._run = run
        self.scene = MonitorState(run.path.name, view=view)
        self.console = plain_console()
        redraws = sys.stdout.isatty() and not self.console.is_dumb_terminal
        self._live = Live(console=self.console, auto_refresh=False) if redraws else None
        self._printed = self._drawn = 0.0
        self._over = False
        if self._live:
            self._live.start()

    def hear_run(self, message: RunStatus) -> None:
        """Where the run stands."""
        changed = (message.phase, message.note) != (self.scene.phase, self.scene.note)
        for field in RUN_FIELDS:
            setattr(self.scene, field, getattr(message, field))
        if changed:
            self._printed = 0.0
        if message.phase == "done" and not self._over:
            self._finish()

    def hear_learner(self, message: LearnerStatus) -> None:
        """How the learner fares."""
        self.scene.updates = message.updates
        self.scene.updates_per_second = message.updates_per_second
        self.scene.entropy = message.entropy
        # What the whole run waits for is shown already.
        self.scene.learner = "" if message.note == self.scene.note else message.note

    def hear_gate(self, message: SafetyState) -> None:
        """Whether the gate stopped, or holds until a person has seen to it."""
        stopped = message.state == SafetyState.STOPPED
        shown = stopped or ReasonCode(message.reason_code).needs_person
        self.scene.gate = message.reason if shown else ""

    def draw(self) -> None:
        """What is known now."""
        if self._over:
            return
        if self._live:
            self._live.update(render(self.scene), refresh=True)
        elif time.monotonic() - self._printed > LINE_PERIOD:
            self._printed = time.monotonic()
            print(line(self.scene), flush=True)

    def draw_again(self) -> None:
        """As `draw`, twice a second at most."""
        if time.monotonic() - self._drawn > REDRAW_PERIOD:
            self._drawn = time.monotonic()
            self.draw()

    def _finish(self) -> None:
        self.draw()
        self.close()
        if not self._run.summary.is_file():
            return
        try:
            self.console.print(outcome(self._run.path))
        except (UserError, LookupError, TypeError, ValueError) as error:
            print(f"{self._run.summary} cannot be shown: {error}", flush=True)

    def close(self) -> None:
        """Give the terminal back."""
        if self._live and not self._over:
            self._live.stop()
        self._over = True
