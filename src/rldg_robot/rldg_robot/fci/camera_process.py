# SPDX-License-Identifier: Apache-2.0
"""The simulated arm's wrist camera, in a process of its own: a tick of FCI cannot wait for a picture.

The world's positions come through a pipe. The newest count: who draws slowly leaves moments out, and no one waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from rldg_core.task import load_task
from rldg_robot.arm.topics import CameraTopics
from rldg_robot.ros_values import to_stamp
from rldg_robot.simulation.torque_twin import TorqueTwin

Array = NDArray[np.float64]

AT_ONCE = 64
"""moments that are read together, of which the last is drawn"""


class CameraProcess:
    """Publishes what the wrist camera sees of the moments that it is shown."""

    def __init__(self, task: str, image_size: int) -> None:
        """Start it.

        Args:
            task: whose world it draws.
            image_size: width and height of a picture in pixels.
        """
        words = [sys.executable, "-m", __name__, task, str(image_size)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)

    def show(self, positions: Array, stamp: int) -> None:
        """Positions of all joints of the world, and when that was [ns]."""
        # Less than PIPE_BUF, so written whole or not at all.
        with suppress(BlockingIOError):
            os.write(self._pipe, np.int64(stamp).tobytes() + positions.tobytes())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    """Draw what comes until nothing comes any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C ends who shows, and that ends this
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("fci_camera")
    camera, world = CameraTopics(node), TorqueTwin(load_task(sys.argv[1]), int(sys.argv[2]))
    world.image()  # the first one takes its time
    size = 8 + world.data.qpos.nbytes
    while shown := os.read(sys.stdin.fileno(), AT_ONCE * size):
        moment = shown[-size:]
        (stamp,) = np.frombuffer(moment, np.int64, 1)
        world.pose_as(np.frombuffer(moment, np.float64, offset=8))
        camera.publish(world.image(), world.camera_matrix, to_stamp(int(stamp)))
    world.close()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
