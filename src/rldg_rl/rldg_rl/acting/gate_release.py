# SPDX-License-Identifier: Apache-2.0
"""Who releases the safety gate after a stop: a person, but for a stop for a wrench where no person is there and the
twin puts the arm elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from rldg_core.gate_reason import ReasonCode
from rldg_core.vocabulary import Source
from rldg_rl.robot.robot import Robot
from rldg_rl.run_parts import GateSwitch


@dataclass(frozen=True)
class GateRelease:
    """Of the gate that stands before a robot."""

    robot: Robot
    client: GateSwitch
    possible: bool
    """whether the twin alone puts the arm elsewhere, so that no person has to look first"""
    unattended: bool
    """whether no person is there at all"""

    def is_alone(self, source: str) -> bool:
        """Whether no person stands by an episode who would release the gate."""
        return source == Source.EVALUATION or self.unattended

    def stopped_for_wrench(self) -> bool:
        """Whether the arm pressed too hard, and nothing else stopped it."""
        stop = self.robot.stopped
        return stop is not None and stop.code is ReasonCode.WRENCH

    def is_due(self, source: str) -> bool:
        """Whether the gate is to be released here, before an episode."""
        return self.possible and self.is_alone(source) and self.stopped_for_wrench()

    def release(self, task: str) -> None:
        """Release it.

        Raises:
            RobotSilent: robot or gate do not answer.
        """
        # Away from what it pressed on, or the gate would stop again at once.
        self.robot.reset(0, task)
        self.client.release()

    def stop(self) -> None:
        """Stop the arm until a person has seen to it."""
        self.client.stop()
