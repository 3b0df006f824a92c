# SPDX-License-Identifier: Apache-2.0
"""What RViz and Foxglove are shown of a running robot."""

from __future__ import annotations

import time

import numpy as np
import rclpy
from harness import PATIENCE, Processes
from rclpy.node import Node
from visualization_msgs.msg import Marker, MarkerArray

from rldg_core import contract
from rldg_core.message_values import pose_of, vector_of
from rldg_core.task import load_task
from rldg_robot.ros import listen_to

TASK = load_task("connector/vga")


def test_workspace_poses_and_state_are_shown(processes: Processes) -> None:
    processes.node("rldg_robot", "twin", real_time_factor=1.0)
    processes.node("rldg_robot", "safety_gate", use_sim_time=True)
    processes.node("rldg_robot", "markers", use_sim_time=True)
    rclpy.init()
    node = Node("watcher")
    shown: dict[str, Marker] = {}
    measured: list[np.ndarray] = []

    def keep(message: MarkerArray) -> None:
        shown.update({marker.ns: marker for marker in message.markers})

    listen_to(node, contract.MARKERS, keep)
    listen_to(
        node, contract.CURRENT_POSE, lambda m: measured.append(pose_of(m.pose).position), depth=1
    )
    end = time.monotonic() + PATIENCE
    while not (
        measured
        and {"tcp", "goal", "force", "state"} <= set(shown)
        and "gate" in shown["state"].text
    ):
        assert time.monotonic() < end, sorted(shown)
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_node()
    assert {marker.header.frame_id for marker in shown.values()} == {"base"}
    assert shown["tcp"].header.stamp.sec > 0
    edges = np.array([vector_of(point) for point in shown["workspace"].points])
    assert len(edges) == 24
    goal = TASK.goal_pose.position
    np.testing.assert_allclose(edges.min(0), goal + TASK.box.lower, atol=1e-9)
    np.testing.assert_allclose(edges.max(0), goal + TASK.box.upper, atol=1e-9)
    np.testing.assert_allclose(vector_of(shown["tcp"].pose.position), measured[-1], atol=2e-3)
    assert f"{TASK.id}: {TASK.instruction}" in shown["state"].text
    assert "gate: HOLD" in shown["state"].text
