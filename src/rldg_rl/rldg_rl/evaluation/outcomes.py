# SPDX-License-Identifier: Apache-2.0
"""Why an episode failed, derived from its steps, and how hard it pressed: the same however the robot was reached.

What was measured at the control steps decides, nothing else. An unsolved episode is of the first class that fits:

gate stop       The safety gate stopped the arm: the external wrench was beyond the task's limit.
dropped         The fingers held something, and at the end they do not: it slipped, or was let go where that was of no
                use. They hold something where they were commanded to close and are at rest more than EMPTY apart.
early descent   It came down beside the goal from early on: at the first step that it pressed at, within the first EARLY
                of the horizon, the goal was more than BESIDE to the side; and no progress was ever made.
stuck pressing  At the end it pressed and got nowhere: over the last STUCK seconds it pressed at no less than half of
                the steps while the TCP stayed within STILL.
timed out       None of these: it was still on its way, or never set out.

It presses where the external force is PRESSING or more. To the side is across the TCP's z axis, along which tools come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rldg_core.gripper_command import CLOSE, command_after, command_at_start
from rldg_core.task import Task
from rldg_core.vocabulary import EpisodeStatus
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import ControlStep

GATE_STOP = "gate stop"
DROPPED = "dropped"
EARLY_DESCENT = "early descent"
STUCK_PRESSING = "stuck pressing"
TIMED_OUT = "timed out"
FAILURES = (GATE_STOP, DROPPED, EARLY_DESCENT, STUCK_PRESSING, TIMED_OUT)

PRESSING = 5.0
"""[N]"""
BESIDE = 0.002
"""[m]"""
EARLY = 1 / 3
STUCK = 2.0
"""[s]"""
STILL = 0.003
"""[m]"""
EMPTY = 0.002
"""[m] between fingers that closed on nothing"""
AT_REST = 0.001
"""[m] per control step"""


@dataclass(frozen=True)
class TraceStep:
    """What one step says of how an episode goes."""

    force: float
    """[N]"""
    torque: float
    """[Nm]"""
    position: np.ndarray
    """[m] (3,) of the TCP in base"""
    beside: float
    """[m] to the goal, sideways"""
    progress: float
    held: bool
    """the fingers hold something"""


class Trace:
    """What is remembered of an episode until it is judged."""

    def __init__(self) -> None:
        self._moments: list[TraceStep] = []
        self._command: float | None = None

    def add(self, step: ControlStep) -> None:
        """A control step was executed."""
        after = step.after
        self._moments.append(
            TraceStep(
                force=float(np.linalg.norm(after.wrench[:3])),
                torque=float(np.linalg.norm(after.wrench[3:])),
                position=after.pose.position,
                beside=float(np.linalg.norm(after.offset.position[:2])),
                progress=after.progress,
                held=self._holds(step),
            )
        )

    def _holds(self, step: ControlStep) -> bool:
        before, width = step.seen.gripper_width, step.after.gripper_width
        if self._command is None:
            self._command = command_at_start(before)
        self._command = command_after(self._command, float(step.action[6]))
        return self._command == CLOSE and width > EMPTY and abs(width - before) < AT_REST

    @property
    def peak_force(self) -> float:
        """[N]; 0 before the first step."""
        return max((moment.force for moment in self._moments), default=0.0)

    @property
    def peak_torque(self) -> float:
        """[Nm]; 0 before the first step."""
        return max((moment.torque for moment in self._moments), default=0.0)

    def failure(self, result: EpisodeResult) -> str | None:
        """One of FAILURES; None where the task was solved."""
        if result.status is EpisodeStatus.SUCCESS:
            return None
        if result.stopped:
            return GATE_STOP
        if self._dropped():
            return DROPPED
        if self._came_down_early(result.task):
            return EARLY_DESCENT
        if self._stuck(result.task):
            return STUCK_PRESSING
        return TIMED_OUT

    def _dropped(self) -> bool:
        held = [moment.held for moment in self._moments]
        return any(held) and not held[-1]

    def _came_down_early(self, task: Task) -> bool:
        if any(moment.progress > 0.0 for moment in self._moments):
            return False
        early = self._moments[: round(EARLY * task.horizon)]
        first = next((moment for moment in early if moment.force >= PRESSING), None)
        return first is not None and first.beside > BESIDE

    def _stuck(self, task: Task) -> bool:
        last = self._moments[-round(STUCK * task.control_rate) :]
        pressed = sum(moment.force >= PRESSING for moment in last)
        path = np.array([moment.position for moment in last])
        return 2 * pressed >= len(last) > 0 and bool(np.ptp(path, axis=0).max() <= STILL)
