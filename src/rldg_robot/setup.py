# SPDX-License-Identifier: Apache-2.0
"""Installs the robot package: the twin, the driver of a real arm, the safety gate, the operator and the viewer."""

from setuptools import setup

PACKAGE = "rldg_robot"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=[PACKAGE, f"{PACKAGE}.scenes"],
    package_data={PACKAGE: ["operators/*.yaml", "tasks/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="The body: MuJoCo twin, safety gate, operator and task definitions",
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "arm = rldg_robot.arm_command:main",
            "doctor = rldg_robot.doctor_node:main",
            "fci = rldg_robot.fci_node:main",
            "fci_simulator = rldg_robot.fci_simulator_node:main",
            "franka_ros2 = rldg_robot.franka_ros2_node:main",
            "franka_ros2_simulator = rldg_robot.franka_ros2_simulator_node:main",
            "gate = rldg_robot.gate_command:main",
            "film = rldg_robot.film:main",
            "markers = rldg_robot.markers_node:main",
            "gamepad = rldg_robot.hand_device_node:gamepad",
            "keys = rldg_robot.keys:main",
            "keyboard_teleop = rldg_robot.keyboard_teleop_node:main",
            "operator = rldg_robot.operator_node:main",
            "player = rldg_robot.player_node:main",
            "robot_description = rldg_robot.robot_description:main",
            "safety_gate = rldg_robot.safety_gate_node:main",
            "spacemouse = rldg_robot.hand_device_node:spacemouse",
            "spacemouse_probe = rldg_robot.spacemouse_probe:main",
            "twin = rldg_robot.twin_node:main",
            "viewer = rldg_robot.viewer_node:main",
            "wrist_camera = rldg_robot.wrist_camera_node:main",
        ],
    },
)
