# SPDX-License-Identifier: Apache-2.0
"""A node that plays the gate before the driver of an arm, and watches it."""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from harness import PATIENCE
from rclpy.node import Node

from rldg_core import contract
from rldg_core.message_values import pose_of
from rldg_core.poses import Pose
from rldg_msgs.msg import TaskState
from rldg_msgs.srv import Reset
from rldg_robot.ros import listen_to, now, publish_on
from rldg_robot.ros_values import to_pose_stamped


class Lab(Node):
    """Plays the gate, and watches the driver."""

    def __init__(self, driver: str) -> None:
        super().__init__("lab")
        self.driver = driver
        self.poses: list[PoseStamped] = []
        self.task_state = TaskState()
        self.said: dict[str, str] = {}
        self._sent = 0
        listen_to(self, contract.CURRENT_POSE, self.poses.append)
        listen_to(self, contract.TASK_STATE, lambda m: setattr(self, "task_state", m))
        listen_to(self, contract.DIAGNOSTICS, self._on_diagnostics)
        self.target = publish_on(self, contract.TARGET_POSE)
        self.reset = self.create_client(Reset, contract.RESET)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        (status,) = message.status
        if status.name == self.driver:
            self.said = {value.key: value.value for value in status.values}
            self.said["message"] = status.message

    @property
    def pose(self) -> Pose:
        return pose_of(self.poses[-1].pose)

    def send(self, target: Pose) -> None:
        self.target.publish(to_pose_stamped(target, 0, "base"))

    def drive(self, target: Pose, condition: Callable[[], object]) -> None:
        """Send a target at 10 Hz, as a gate does, until it has brought about what it should."""

        def sent() -> object:
            if now(self) - self._sent > 1e8:
                self.send(target)
                self._sent = now(self)
            return condition()

        self.until(sent)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if condition():
                return
            rclpy.spin_once(self, timeout_sec=0.02)
        raise AssertionError(f"nothing came in {PATIENCE} s; the driver said {self.said}")

    def wait(self, seconds: float) -> None:
        end = now(self) + seconds * 1e9
        while now(self) < end:
            rclpy.spin_once(self, timeout_sec=0.02)

    def meet_driver(self) -> None:
        self.poses.clear()
        self.task_state = TaskState()
        self.until(lambda: self.poses and self.task_state.header.frame_id)
        self.until(self.target.get_subscription_count)

    def height_above(self, start: Pose) -> float:
        return float(self.pose.position[2] - start.position[2])


def raised(pose: Pose, height: float) -> Pose:
    return Pose(pose.position + [0.0, 0.0, height], pose.quaternion)
