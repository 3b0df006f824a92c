# SPDX-License-Identifier: Apache-2.0
"""A Franka arm as a driver of the robot contract: what it measures at 100 Hz, targets in, a watchdog over them."""

from __future__ import annotations

from collections.abc import Mapping

from std_srvs.srv import Trigger

from rldg_core.poses import Pose
from rldg_robot.arm.modes import ArmRefuses
from rldg_robot.arm.node import STATE_RATE, ArmNode
from rldg_robot.fci.arm import ArmLost, FciArm
from rldg_robot.fci.gripper import FciGripper
from rldg_robot.node_main import run_node
from rldg_robot.ros import now
from rldg_robot.ros_values import to_stamp


class FciNode(ArmNode[FciArm, FciGripper]):
    """Publishes what the arm measures; moves it where the gate says."""

    def __init__(self) -> None:
        super().__init__("fci")
        self.arm = FciArm(self.site, self.task.compliance)
        self.gripper = FciGripper(self.site.robot_ip)
        self._refusal = ""
        self._state = self.arm.state()
        self._success_rates: list[float] = []
        self.begin()
        self.create_timer(1 / STATE_RATE, self._tick, clock=self.steady)
        self.get_logger().info(f"{self.task.id}: the arm at {self.site.robot_ip} is connected")

    def destroy_node(self) -> None:
        """Brake first."""
        self.arm.close()
        self.gripper.close()
        super().destroy_node()

    @property
    def refusal(self) -> str:
        """Why the arm does not follow; empty: it does, or would."""
        return self._refusal

    def follow(self, target: Pose) -> None:
        """Pull the TCP towards a pose in base."""
        try:
            self.arm.follow(target)
            self._refusal = ""
        except ArmRefuses as error:
            self._refusal = str(error)
            self.get_logger().error(self._refusal, throttle_duration_sec=5.0)
        except ArmLost as error:
            self._end(error)

    def on_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Clear the robot's errors, because a person asked for it."""
        try:
            recovery = self.arm.recover()
        except ArmLost as error:
            self._end(error)
        response.success, response.message = recovery.done, recovery.text
        if recovery.done:
            self._refusal = ""
        return response

    def details(self) -> Mapping[str, str]:
        """What else `/diagnostics` tells."""
        rates, self._success_rates = self._success_rates, []
        return {
            "mode": self._state.mode,
            "errors": ", ".join(self._state.errors) or "none",
            "control_command_success_rate": f"{min(rates):.2f}" if rates else "not in control",
            "lost_cycles": f"{self.arm.lost_cycles:.0f}",
        }

    def _tick(self) -> None:
        try:
            before, self._state = self._state, self.arm.state()
            trouble = self.arm.trouble()
        except ArmLost as error:
            self._end(error)
        if trouble and trouble != self._refusal:
            self._refusal = trouble
            self.get_logger().error(trouble)
        self.watch(self._state.pose)
        # Where the robot's states stop coming, libfranka notices after a second, and gives the last one until then:
        # under a fresh stamp it would keep the gate open.
        if self._state.clock == before.clock:
            return
        if self.arm.following:
            self._success_rates.append(self._state.success_rate)
        # Nor is a moment published half: where the hand is silent, the state is, and the gate holds the arm.
        if (hand := self.gripper.reading) is not None:
            self.publish(self._state, hand, to_stamp(now(self)))

    def _end(self, error: ArmLost) -> None:
        """Give up, to be started anew: a connection that broke is made again from its beginning."""
        self.get_logger().error(str(error))
        raise SystemExit(1) from error


def main() -> None:
    """Entry point."""
    run_node(FciNode)
