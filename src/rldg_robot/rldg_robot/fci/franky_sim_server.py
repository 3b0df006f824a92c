# SPDX-License-Identifier: Apache-2.0
"""What is used of `franky-sim`: its server of libfranka's wire protocol, without its own model of the robot.

That model is pinocchio's, which `franky_sim` imports whether it is used or not, and which takes 390 MB. Where it is not
installed an empty module stands in its place.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

if find_spec("pinocchio") is None:
    sys.modules["pinocchio"] = ModuleType("pinocchio")

from franky_sim import (
    FRANKA_TORQUE_LIMITS_HIGH,
    FRANKA_TORQUE_LIMITS_LOW,
    BaseSimulator,
    FrankaRobotServer,
    SimulationServer,
)
from franky_sim.base_simulator import InnerRobotState
from franky_sim.franka_robot_state import FrankaRobotState

__all__ = [
    "FRANKA_TORQUE_LIMITS_HIGH",
    "FRANKA_TORQUE_LIMITS_LOW",
    "BaseSimulator",
    "FrankaRobotServer",
    "FrankaRobotState",
    "InnerRobotState",
    "SimulationServer",
]
