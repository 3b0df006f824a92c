# SPDX-License-Identifier: Apache-2.0
"""Installs the robot package: the twin, the driver of a real arm, the safety gate, the operator and the viewer."""

from setuptools import find_packages, setup

PACKAGE = "rldg_robot"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="The body: MuJoCo twin, safety gate, drivers, devices and operator",
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "arm = rldg_robot.arm.command:main",
            "doctor = rldg_robot.doctor.node:main",
            "fci = rldg_robot.fci.node:main",
            "fci_simulator = rldg_robot.fci.simulator_node:main",
            "franka_ros2 = rldg_robot.franka_ros2.node:main",
            "franka_ros2_simulator = rldg_robot.franka_ros2.simulator_node:main",
            "gate = rldg_robot.gate_command:main",
            "film = rldg_robot.simulation.film:main",
            "markers = rldg_robot.markers_node:main",
            "gamepad = rldg_robot.devices.hand_device_node:gamepad",
            "keys = rldg_robot.keys:main",
            "keyboard_teleop = rldg_robot.devices.keyboard_teleop_node:main",
            "operator = rldg_robot.person.operator_node:main",
            "player = rldg_robot.player_node:main",
            "robot_description = rldg_robot.robot_description:main",
            "safety_gate = rldg_robot.safety_gate_node:main",
            "spacemouse = rldg_robot.devices.hand_device_node:spacemouse",
            "spacemouse_probe = rldg_robot.devices.spacemouse_probe:main",
            "twin = rldg_robot.simulation.twin_node:main",
            "viewer = rldg_robot.viewer_node:main",
            "wrist_camera = rldg_robot.camera.node:main",
        ],
    },
)
