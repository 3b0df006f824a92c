# SPDX-License-Identifier: Apache-2.0
"""The twin behind the safety gate as a robot in this process: what lockstep does through ROS, call by call.

Targets pass the same gate, carry the same stamps and lead to the same bits; nothing waits, and nothing gets lost.
"""

from __future__ import annotations

import numpy as np

from rldg_core.contract import BASE_FRAME
from rldg_core.gate_reason import Reason
from rldg_core.gripper_command import LEAVE
from rldg_core.message_values import SECOND
from rldg_core.perturbation import NOMINAL, Perturbation
from rldg_core.poses import Pose
from rldg_core.task import Task
from rldg_rl.robot.observation import Observation
from rldg_rl.robot.robot import gripper_command
from rldg_robot.safety import Decision, Gate, GateState, Grip
from rldg_robot.simulation.twin import Twin

BLACK = np.zeros((128, 128, 3), np.uint8)


class DirectRobot:
    """Implements `environment.Robot`. A stop of the gate is released by the next reset that moves the arm."""

    def __init__(
        self,
        task: Task,
        *,
        looks: bool = True,
        randomize: bool = False,
        perturbation: Perturbation = NOMINAL,
    ) -> None:
        """Build the twin.

        Args:
            task: the one that it does.
            looks: render the wrist image; otherwise it is black, which takes no time.
            randomize: draw light, colours, texture and camera pose with every reset.
            perturbation: how far its world is off.

        Raises:
            UserError: the perturbation is of something that the task's scene has not.
        """
        self.twin = Twin(task, perturbation=perturbation)
        self.gate = Gate(task)
        self._looks, self._randomize = looks, randomize
        self._period = int(SECOND * task.period)
        self._stamp = 1000 * self._period
        self._last_gripper: float | None = None

    @property
    def stopped(self) -> Reason | None:
        """See `environment.Robot`."""
        return self.gate.reason if self.gate.state is GateState.STOPPED else None

    @property
    def held(self) -> str:
        """See `environment.Robot`."""
        return self.gate.reason.text if self.gate.state is GateState.HOLD else ""

    def reset(self, seed: int, task: str, stay: bool = False) -> Observation:
        """See `environment.Robot`."""
        assert task == self.twin.task.id, f"this robot does {self.twin.task.id}, not {task}"
        if stay:
            self.twin.rearrange(seed, self._randomize)
        else:
            self.twin.reset(seed, self._randomize)
            self.gate.reset()
        self._last_gripper = None
        return self._advance()

    def measure(self) -> Observation:
        """See `environment.Robot`."""
        return self._advance()

    def act(self, target: Pose, gripper: float, stamp: int) -> None:
        """See `environment.Robot`."""
        assert stamp == self._stamp, "decided on a state that is past"
        self._command_gripper(gripper)
        decision = self.gate.command(stamp, BASE_FRAME, target, now=stamp)
        if decision.passed and (due := self.gate.gripper_due(stamp)):
            self._move_gripper(due[1])
        self._move(decision)
        self._advance()

    def observe(self, after: int) -> Observation:
        """See `environment.Robot`."""
        assert after == self._stamp - self._period, "another step was carried out"
        return self._latest

    def close(self) -> None:
        """Free the renderer."""
        self.twin.close()

    def _command_gripper(self, command: float) -> None:
        if command in (LEAVE, self._last_gripper):
            return
        self._last_gripper = command
        grip = Grip(*map(as_sent, gripper_command(command)))
        passed, _ = self.gate.gripper(self._stamp, grip, self._stamp)
        if passed:
            self._move_gripper(passed)

    def _move(self, decision: Decision) -> None:
        self.twin.step(decision.target, self.twin.task.period)

    def _move_gripper(self, grip: Grip) -> None:
        self.twin.command_gripper(as_sent(grip.width), as_sent(grip.speed), as_sent(grip.force))

    def _advance(self) -> Observation:
        """Measure what is now, and tell the gate."""
        self._stamp += self._period
        self._latest = seen = self._observation()
        self.gate.on_state(seen.state_stamp, seen.pose)
        self.gate.on_wrench(seen.state_stamp, seen.wrench)
        self.gate.on_image(seen.image_stamp)
        return seen

    def _observation(self) -> Observation:
        twin = self.twin
        return Observation(
            state_stamp=self._stamp,
            image_stamp=self._stamp,
            pose=twin.pose,
            twist=twin.twist,
            wrench=twin.wrench,
            gripper_width=as_sent(twin.gripper_width),
            offset=twin.offset,
            goal_gripper=twin.goal_gripper,
            progress=as_sent(twin.progress),
            success=twin.success,
            image=twin.image() if self._looks else BLACK,
        )


def as_sent(value: float) -> float:
    """A number as its message holds it: a float32."""
    return float(np.float32(value))
