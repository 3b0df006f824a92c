# SPDX-License-Identifier: Apache-2.0
"""Where the programs of packages are installed: a stack knows them by their names alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rldg_bringup.arguments import StackError
from rldg_bringup.stack import NodeSpec


def find_executable(node: NodeSpec) -> Path:
    """The node's executable in the workspace's or the system's prefixes.

    Raises:
        StackError: no prefix has it.
    """
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix]
    for prefix in prefixes:
        path = Path(prefix, "lib", node.package, node.executable)
        if os.access(path, os.X_OK) and path.is_file():
            return path
    if node.package.startswith("rldg_"):
        fix = "build the workspace with ./rldg setup, or source install/setup.bash"
    else:
        name = node.package.replace("_", "-")
        fix = f"it comes with a ROS installation: sudo apt install ros-jazzy-{name}"
    where = ", ".join(prefixes) or "nothing: AMENT_PREFIX_PATH is empty"
    raise StackError(
        f"package {node.package} has no executable {node.executable} here; {fix}.\n"
        f"    searched: {where}"
    )


def output_of(program: NodeSpec) -> str:
    """What a program prints that takes no argument.

    Raises:
        StackError: it is not installed, or failed.
    """
    done = subprocess.run(
        [find_executable(program)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StackError(f"{program.executable} failed: {last}")
    return done.stdout
