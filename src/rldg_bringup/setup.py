# SPDX-License-Identifier: Apache-2.0
"""Installs the bringup package: stacks, launch files, configuration and the stack runner."""

from glob import glob

from setuptools import setup

PACKAGE = "rldg_bringup"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=[PACKAGE],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", glob("launch/*.launch.py")),
        (f"share/{PACKAGE}/config", glob("config/*")),
        (f"share/{PACKAGE}/rviz", glob("rviz/*")),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="Launch files, configuration and the stack runner that needs no ros2 launch",
    extras_require={"test": ["pytest"]},
    entry_points={"console_scripts": ["stack = rldg_bringup.runner:main"]},
)
