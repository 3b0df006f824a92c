# SPDX-License-Identifier: Apache-2.0
"""Shows RViz and Foxglove what goes on: markers in `base`, and the same poses as TF where tf2 is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TransformStamped, WrenchStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from visualization_msgs.msg import MarkerArray

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_core.message_values import pose_of, vector_of
from rldg_core.poses import Pose
from rldg_core.task import load_task, named_tasks
from rldg_msgs.msg import Episode, SafetyState, TaskState
from rldg_robot import markers
from rldg_robot.node_main import run_node
from rldg_robot.ros import listen_to, now, publish_on
from rldg_robot.ros_values import to_pose_msg, to_stamp
from rldg_robot.safety import GateState

PERIOD = 0.1  # [s] of wall time
STATUS = {
    Episode.OPEN: "runs",
    Episode.SUCCESS: "solved",
    Episode.FAILURE: "failed",
    Episode.ABORTED: "aborted",
}


class MarkersNode(Node):
    """Listens to the contract, publishes `markers`."""

    def __init__(self) -> None:
        super().__init__("markers")
        first, *_ = named_tasks(self.declare_parameter("task", "connector/vga").value)
        self._task = load_task(first)
        self._frames: dict[str, Pose] = {}
        self._force = markers.force(Pose.identity(), np.zeros(3))
        self._gate, self._episode = "", ""
        self._markers = publish_on(self, contract.MARKERS)
        self._transforms = self._transform_publisher()
        listen_to(self, contract.CURRENT_POSE, self._on_pose)
        listen_to(self, contract.TARGET_POSE, self._on_target)
        listen_to(self, contract.TASK_STATE, self._on_task_state)
        listen_to(self, contract.EXTERNAL_WRENCH, self._on_wrench)
        listen_to(self, contract.SAFETY_STATE, self._on_safety)
        listen_to(self, contract.EPISODE, self._on_episode)
        self.create_timer(PERIOD, self._show, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _transform_publisher(self) -> Any:
        """Of /tf; None where tf2 is not installed."""
        try:
            message = import_module("tf2_msgs.msg").TFMessage
        except ImportError:
            self.get_logger().info("no TF: tf2_msgs is not installed; markers and poses need none")
            return None
        return self.create_publisher(message, "/tf", 10)

    def _on_pose(self, message: PoseStamped) -> None:
        self._frames["tcp"] = pose_of(message.pose)

    def _on_target(self, message: PoseStamped) -> None:
        self._frames["target"] = pose_of(message.pose)

    def _on_task_state(self, message: TaskState) -> None:
        self._frames["goal"] = pose_of(message.goal)

    def _on_wrench(self, message: WrenchStamped) -> None:
        if "tcp" in self._frames:
            self._force = markers.force(self._frames["tcp"], vector_of(message.wrench.force))

    def _on_safety(self, message: SafetyState) -> None:
        self._gate = f"gate: {GateState(message.state).name} {message.reason}".strip()

    def _on_episode(self, message: Episode) -> None:
        self._task = load_task(f"{message.task}/{message.variant}")
        self._episode = f"{message.episode_id} {STATUS[message.status]} {message.reason}".strip()

    def _show(self) -> None:
        shown = [markers.workspace(self._task), self._force]
        for name, pose in self._frames.items():
            thickness = markers.THICK if name == "tcp" else markers.THIN
            shown.append(markers.frame(name, pose, thickness))
        lines = [f"{self._task.id}: {self._task.instruction}", self._episode, self._gate]
        shown.append(markers.words(self._task, "\n".join(filter(None, lines))))
        stamp = to_stamp(now(self))
        for marker in shown:
            marker.header.stamp = stamp
        self._markers.publish(MarkerArray(markers=shown))
        if self._transforms is not None:
            transforms = [self._transform(name, pose) for name, pose in self._frames.items()]
            self._transforms.publish(import_module("tf2_msgs.msg").TFMessage(transforms=transforms))

    def _transform(self, name: str, pose: Pose) -> TransformStamped:
        """Of a frame that the robot's own description does not have: a frame has one parent."""
        message = TransformStamped(child_frame_id=f"rldg_{name}")
        message.header.stamp = to_stamp(now(self))
        message.header.frame_id = BASE_FRAME
        placed = to_pose_msg(pose)
        p, t = placed.position, message.transform.translation
        t.x, t.y, t.z = p.x, p.y, p.z
        message.transform.rotation = placed.orientation
        return message


def main() -> None:
    """Entry point."""
    run_node(MarkersNode)
