# SPDX-License-Identifier: Apache-2.0
"""The simulated FCI as a process of a stack: a server for the driver, and the wrist camera's topics."""

from __future__ import annotations

import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from rldg_core import contract
from rldg_core.site_file import SIMULATOR
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_robot.fci.camera_process import CameraProcess
from rldg_robot.fci.simulator import TICK, SimulatedCell, serve
from rldg_robot.node_main import run_main
from rldg_robot.ros import now, publish_on
from rldg_robot.ros_values import to_stamp

IMAGE_EVERY = 40  # ticks: 25 Hz, more than twice as often as a policy looks
REPORT_EVERY = 1000  # ticks
SLOW = 0.95  # of real time


class FciSimulatorNode(Node):
    """Shows its camera where everything is, and tells how well the simulation keeps up with the clock."""

    def __init__(self) -> None:
        super().__init__("fci_simulator")
        task = load_task(self.declare_parameter("task", "connector/vga").value)
        size = int(self.declare_parameter("image_size", 128).value)
        self.cell, self._camera = SimulatedCell(task), CameraProcess(task.id, size)
        self.address = str(self.declare_parameter("address", SIMULATOR).value)
        self._diagnostics = publish_on(self, contract.DIAGNOSTICS)
        self._reported = time.monotonic()
        self.get_logger().info(f"{task.id}: FCI at {self.address}")

    def after_tick(self, tick: int) -> None:
        """Publish what is due."""
        if tick % IMAGE_EVERY == 0:
            self._camera.show(self.cell.world.data.qpos, now(self))
        if tick % REPORT_EVERY == 0:
            self._report()

    def destroy_node(self) -> None:
        """End the camera, too."""
        self._camera.close()
        super().destroy_node()

    def _report(self) -> None:
        passed, self._reported = time.monotonic() - self._reported, time.monotonic()
        pace = REPORT_EVERY * TICK / passed
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if pace > SLOW else DiagnosticStatus.WARN,
            name="fci_simulator",
            message="real time"
            if pace > SLOW
            else "slower than real time: the machine is too busy",
            values=[KeyValue(key="pace", value=f"{pace:.2f}")],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(now(self))
        self._diagnostics.publish(message)


def _simulate() -> None:
    node = FciSimulatorNode()
    try:
        serve(node.cell, node.address, rclpy.ok, node.after_tick)
    except OSError as error:
        raise UserError(
            f"cannot serve FCI at {node.address}, ports 1337 and 1338: {error}. Does another simulator run "
            "on this machine? End it, or take another address: robot_ip:=127.0.0.2"
        ) from error
    finally:
        node.destroy_node()


def main() -> None:
    """Entry point."""
    run_main(_simulate)
