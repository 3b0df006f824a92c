# SPDX-License-Identifier: Apache-2.0
"""An arm behind franka_ros2 as a driver of the robot contract: its convenience topics out, targets in."""

from __future__ import annotations

import time
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from std_srvs.srv import Trigger

from rldg_core.poses import Pose
from rldg_robot.arm.measured import Measured
from rldg_robot.arm.node import ArmNode
from rldg_robot.franka_ros2.arm import FrankaRos2Arm
from rldg_robot.franka_ros2.gripper import FrankaRos2Gripper
from rldg_robot.node_main import run_node

WATCH_PERIOD = 0.02  # [s]


class FrankaRos2Node(ArmNode[FrankaRos2Arm, FrankaRos2Gripper]):
    """Publishes what franka_ros2 measures; moves the arm where the gate says."""

    def __init__(self) -> None:
        super().__init__("franka_ros2")
        self.gripper = FrankaRos2Gripper(self)
        self.arm = FrankaRos2Arm(self, self.site, self.task.compliance, self._on_moment)
        self._count = 0
        # A controller that still runs pulls towards what it heard last, perhaps from a driver that died.
        self.watchdog.heard(time.monotonic())
        self.begin()
        self.create_timer(WATCH_PERIOD, self._look, clock=self.steady)
        if self.arm.limits:
            self.get_logger().warning(self.arm.limits)
        self.get_logger().info(f"{self.task.id}: waits for franka_ros2")

    def destroy_node(self) -> None:
        """Let go first: the controller would hold its last target for ever."""
        self.arm.close()
        super().destroy_node()

    @property
    def refusal(self) -> str:
        """Why the arm does not follow; empty: it does, or would."""
        return self.arm.refusal()

    def follow(self, target: Pose) -> None:
        """Pull the TCP towards a pose in base."""
        self.arm.follow(target)

    def hold(self, pose: Pose) -> None:
        """Let go of what the spring still presses."""
        self.arm.hold()

    async def on_recover(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Clear the robot's errors, because a person asked for it."""
        recovery = await self.arm.recover()
        response.success, response.message = recovery.done, recovery.text
        return response

    def details(self) -> Mapping[str, str]:
        """What else `/diagnostics` tells."""
        count, self._count = self._count, 0
        return {"states": f"{count} in the last second", "lacks": self.arm.limits or "nothing"}

    def _look(self) -> None:
        self.arm.look()
        if (pose := self.arm.pose) is not None:
            self.watch(pose)

    def _on_moment(self, measured: Measured, stamp: Time) -> None:
        self._count += 1
        hand = self.gripper.reading
        # Without its fingers it is no whole body; the gate holds while nothing comes.
        if hand is not None:
            self.publish(measured, hand, stamp)


def main() -> None:
    """Entry point."""
    run_node(FrankaRos2Node, last_words=True)
