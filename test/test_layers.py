# SPDX-License-Identifier: Apache-2.0
"""Which package may know which, where ROS begins, and what an import must not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from source_imports import PACKAGES, ROOT, imports, modules, way

MAY_IMPORT = {
    "rldg_core": {"rldg_msgs"},
    "rldg_robot": {"rldg_core", "rldg_msgs"},
    "rldg_rl": {"rldg_core", "rldg_robot", "rldg_distill", "rldg_msgs"},
    "rldg_distill": {"rldg_core"},
    "rldg_experiments": {"rldg_core", "rldg_distill"},
    "rldg_bringup": {"rldg_core"},
}
"""beside itself; as docs/architecture.md has it"""
DISTILL_IN_EXPERIMENTS = {"rldg_experiments.student_options"}
"""the one place that asks which options a student has; else experiments run commands"""
PARTS_OF_NODES = {
    "rldg_robot": """
        alone arm.command arm.float_topic arm.topics asked camera.source fci.camera_process franka_ros2.arm
        franka_ros2.control franka_ros2.gripper gate_command node_main publishers ros
    """,
    "rldg_rl": """
        acting.closed_loop acting.hands acting.person_client acting.recorder_watch
        episodes.bag_exchange node_channel own_run policies.far_student robot.gate_client robot.robot_client
    """,
}
"""modules that hold publishers, subscribers or clients for a node: with the nodes, the only ones that need rclpy"""
LAYERS = {
    "rldg_rl": """
        robot rewards.judge rewards.asking_judges environment episodes.step
        episodes.episode_result acting episodes vision agent policies rewards
        evaluation modes direct
    """,
    "rldg_distill": "datasets recordings conversion students training",
}
"""folders, and modules that stand lower than their folder, from the bottom up: none imports from those after it"""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_knows_those_below_it_alone(package: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if module.split(".")[0] == package
        for name in imports(module, lazy=True)
        if (other := name.split(".")[0]).startswith("rldg_")
        and other not in MAY_IMPORT[package] | {package}
    ]
    assert not wrong, "\n".join(wrong)


def test_experiments_know_of_students_their_options_alone() -> None:
    knowing = {
        module
        for module in modules()
        if module.startswith("rldg_experiments")
        if any(name.startswith("rldg_distill") for name in imports(module, lazy=True))
    }
    assert knowing == DISTILL_IN_EXPERIMENTS


def test_a_manifest_names_what_is_imported() -> None:
    for package in PACKAGES:
        manifest = (ROOT / "src" / package / "package.xml").read_text()
        used = {
            name.split(".")[0]
            for module in modules()
            if module.split(".")[0] == package
            for name in imports(module, lazy=True)
        }
        for other in used & MAY_IMPORT[package]:
            assert f"<exec_depend>{other}</exec_depend>" in manifest, f"{package}: {other}"


def parts_of_nodes() -> set[str]:
    return {
        f"{package}.{name}" for package, names in PARTS_OF_NODES.items() for name in names.split()
    }


def is_node(module: str) -> bool:
    return module.endswith(("_node", ".node"))


def test_there_is_no_rclpy_below_the_nodes() -> None:
    listed = parts_of_nodes()
    wrong = [
        " > ".join(chain)
        for module in modules()
        if not is_node(module) and module not in listed
        if (chain := way(module, "rclpy"))
    ]
    assert not wrong, "\n".join(wrong)
    needless = [module for module in sorted(listed) if not way(module, "rclpy")]
    assert not needless, f"they need no rclpy: {needless}"
    assert not way("rldg_core.contract", "mujoco") and way("rldg_robot.simulation.twin", "mujoco")


@pytest.mark.parametrize("package", LAYERS)
def test_a_folder_imports_from_those_before_it(package: str) -> None:
    layers = LAYERS[package].split()

    def level(name: str) -> int | None:
        parts = name.split(".")[1:]
        for layer in (".".join(parts[:2]), parts[0] if parts[1:] else ""):
            if name.startswith(f"{package}.") and layer in layers:
                return layers.index(layer)
        return None

    wrong = [
        f"{module} imports {name}"
        for module in modules()
        if (mine := level(module)) is not None
        for name in imports(module)
        if (other := level(name)) is not None and other > mine
    ]
    assert not wrong, "\n".join(wrong)


def test_core_comes_alone() -> None:
    """Importing every module of it sets no environment variable and brings neither ROS nor MuJoCo nor torch."""
    core = [module for module in modules() if module.split(".")[0] == "rldg_core"]
    found = in_a_process(f"""
        import importlib, json, os, sys
        before = dict(os.environ)
        for module in {core}:
            importlib.import_module(module)
        changed = [name for name in {{**before, **os.environ}} if before.get(name) != os.environ.get(name)]
        print(json.dumps([changed, sorted({{"mujoco", "rclpy", "torch", "ray"}} & sys.modules.keys())]))
    """)
    assert json.loads(found) == [[], []]


def in_a_process(program: str) -> str:
    lines = [line.removeprefix("        ") for line in program.splitlines()]
    bare = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MUJOCO_GL", "LP_NUM_THREADS")
    }
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=120,
        env=bare,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("written", "home"),
    [
        ("os.fsync(", "rldg_core.files.atomic_file"),
        ("import fcntl", "rldg_core.files.claim"),
        ("PR_SET_PDEATHSIG", "rldg_core.workers.child"),
    ],
)
def test_what_is_easily_done_wrong_is_done_in_one_place(written: str, home: str) -> None:
    assert [module for module, path in modules().items() if written in path.read_text()] == [home]
