# SPDX-License-Identifier: Apache-2.0
"""Messages of other projects, which are there only where those are installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

FIXES = {
    "controller_manager_msgs": "sudo apt install ros-jazzy-controller-manager-msgs",
    "franka_msgs": "it is built with franka_ros2: source that workspace before ./rldg",
}
"""where they come from"""


def missing(package: str) -> str:
    """What to do about a package that is not installed; empty: it is."""
    if find_spec(package) is not None:
        return ""
    return f"{package} is not installed: {FIXES[package]}"


def interface(name: str) -> Any:
    """The Python class of an interface, such as `franka_msgs/action/Grasp`.

    Raises:
        ModuleNotFoundError: ask `missing` first.
    """
    package, kind, what = name.split("/")
    return getattr(import_module(f"{package}.{kind}"), what)
