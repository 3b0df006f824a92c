# SPDX-License-Identifier: Apache-2.0
"""What is started at the arm is what the driver expects there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from rldg_core.task import load_task
from rldg_robot.franka_ros2 import interfaces as franka_ros2

PACKAGE = Path(__file__).parents[1]
CONFIG = yaml.safe_load((PACKAGE / "config/franka_ros2.yaml").read_text())["/**"]


def flat(values: dict[str, object], before: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in values.items():
        name = before + key
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def test_the_manager_knows_the_drivers_controllers() -> None:
    manager = CONFIG["controller_manager"]["ros__parameters"]
    loaded = {name.removesuffix(".type") for name in flat(manager) if name.endswith(".type")}
    assert loaded == {franka_ros2.CONTROLLER, *franka_ros2.BROADCASTERS}


def test_before_the_task_is_known_the_arm_is_softer_than_any_task() -> None:
    configured = flat(CONFIG[franka_ros2.CONTROLLER]["ros__parameters"])
    task = franka_ros2.crisp_parameters(load_task("connector/vga").compliance)
    for name, value in task.items():
        if ".d_" not in name:
            assert configured[name] <= value, name
    assert configured["use_local_jacobian"] is True and configured["nullspace.damping"] > 0
    assert configured["end_effector_frame"] == "fr3_hand_tcp"


def test_the_launch_file_puts_all_of_it_where_the_driver_looks() -> None:
    pytest.importorskip("launch_ros.actions", reason="launch comes with a ROS installation")
    file = PACKAGE / "launch/franka_ros2.launch.py"
    spec = importlib.util.spec_from_file_location("franka_ros2_launch", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.NAMESPACE == franka_ros2.NAMESPACE
    assert module.CONTROLLER == franka_ros2.CONTROLLER
    names = [type(entity).__name__ for entity in module.generate_launch_description().entities]
    assert names.count("Node") == 1 and names.count("IncludeLaunchDescription") == 1
