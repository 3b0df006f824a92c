# SPDX-License-Identifier: Apache-2.0
"""A simulated arm in a process of its own, without ROS: `python fci_server.py <address> <task>`."""

from __future__ import annotations

import sys

from rldg_core.task import load_task
from rldg_robot.fci.simulator import SimulatedCell, serve

if __name__ == "__main__":
    address, task = sys.argv[1:]
    serve(SimulatedCell(load_task(task)), address, lambda: True)
