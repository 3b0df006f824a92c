# SPDX-License-Identifier: Apache-2.0
"""Franka's hand beside the control loop: a thread of its own talks to it, the loop never waits for it.

A command takes up to a second, and even reading the width of a real hand takes 0.1 s. So the newest command waits in
one place; the thread carries out what lies there, then looks again.
"""

from __future__ import annotations

import threading
import time

import franky

from rldg_core.gripper_command import MAX_GRIPPER_WIDTH
from rldg_core.user_error import UserError
from rldg_robot.arm.gripper_motion import (
    MET,
    STALE_SECONDS,
    GripperReading,
    GripperTarget,
    Motion,
    motion_for,
)
from rldg_robot.fci.arm import GONE

IDLE_SECONDS = 0.05
"""between two looks at the width where nothing is asked for"""


class FciGripper:
    """The hand of the arm at one address. The newest command wins: those that came during another are dropped."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            UserError: no hand answers.
        """
        self._address = address
        try:
            self._hand = franky.Gripper(address)
            self._reading = self._look(moving=False)
        except GONE as error:
            raise UserError(
                f"no gripper answers at {address}: {error}. Is the Franka hand plugged in and chosen as end "
                "effector in Desk?"
            ) from error
        self._target: GripperTarget | None = None
        self._fault = self._lost = ""
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._live, name="gripper", daemon=True)
        self._thread.start()

    def command(self, width: float, speed: float, force: float) -> None:
        """Ask for a width [m] at a speed [m/s]; closing, press with a force [N]. Returns at once."""
        with self._news:
            self._target = GripperTarget(width, speed, force)
            self._news.notify()

    @property
    def reading(self) -> GripperReading | None:
        """The last one; None where the hand does not answer any more."""
        return None if time.monotonic() - self._looked > STALE_SECONDS else self._reading

    @property
    def fault(self) -> str:
        """What went wrong with the last command, or goes wrong with looking; empty: nothing."""
        return self._lost or self._fault

    def close(self) -> None:
        """End the thread; a command that is under way is carried out."""
        with self._news:
            self._ended = True
            self._news.notify()
        self._thread.join(timeout=3.0)

    def _live(self) -> None:
        while not self._ended:
            with self._news:
                if self._target is None and not self._ended:
                    self._news.wait(IDLE_SECONDS)
                target, self._target = self._target, None
            try:
                if target is not None:
                    self._carry_out(target)
            except GONE as error:
                self._fault = str(error)
            self._look_on()

    def _look_on(self) -> None:
        """Look; at a hand that does not answer over a new connection the next time."""
        try:
            if self._lost:
                self._hand = franky.Gripper(self._address)
            self._reading = self._look(moving=self._target is not None)
            self._lost = ""
        except GONE as error:
            self._lost = f"the hand does not answer: {error}"
            time.sleep(IDLE_SECONDS)

    def _carry_out(self, target: GripperTarget) -> None:
        motion = motion_for(target, self._reading)
        if motion is Motion.NONE:
            return
        if motion is Motion.GRASP:
            # Whatever stops the fingers counts as grasped.
            future = self._hand.grasp_async(
                target.width, target.speed, target.force, 0.0, MAX_GRIPPER_WIDTH
            )
        else:
            future = self._hand.move_async(target.width, target.speed)
        while not future.wait(0.0):
            self._reading = self._look(moving=True)
            time.sleep(IDLE_SECONDS)
        succeeded = future.get()
        self._fault = "" if succeeded else f"the gripper did not reach {1000 * target.width:.0f} mm"

    def _look(self, moving: bool) -> GripperReading:
        state = self._hand.state
        self._looked = time.monotonic()
        held = bool(state.is_grasped) and state.width > MET
        return GripperReading(float(state.width), moving, held and not moving)
