# SPDX-License-Identifier: Apache-2.0
"""A real camera in a stack: which nodes, with which parameters, in which environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_bringup.arguments import StackError
from rldg_bringup.cameras import VARIABLE
from rldg_bringup.executables import find_executable
from rldg_bringup.stack import NodeSpec
from rldg_bringup.stacks import STACKS

CAMERA = STACKS["camera"]


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix with the profile in it."""
    profile = tmp_path / "share/rldg_bringup/config/fastdds.xml"
    profile.parent.mkdir(parents=True)
    profile.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nothing:{tmp_path}")
    monkeypatch.delenv(VARIABLE, raising=False)
    return profile


def nodes(**given: str) -> dict[str, NodeSpec]:
    return {node.name: node for node in CAMERA.plan(given).nodes}


def test_a_d405_gets_the_parameters_that_it_listens_to(installed: Path) -> None:
    found = nodes(serial="123", crop="848x480:184,0,480,480")
    driver, small = found["camera"], found["wrist_camera"]
    assert (driver.package, driver.executable) == ("realsense2_camera", "realsense2_camera_node")
    assert not [name for name in driver.parameters if name.startswith("rgb_camera")]
    assert {
        "depth_module.color_profile": "848x480x60",
        "depth_module.color_format": "RGB8",
        "depth_module.enable_auto_exposure": False,
        "depth_module.exposure": 8000,
        "enable_depth": False,
        "serial_no": "_123",
    }.items() <= driver.parameters.items()
    assert small.parameters["source"] == "camera/color"
    assert small.parameters["crop"] == "848x480:184,0,480,480"
    assert {node.variables[VARIABLE] for node in found.values()} == {str(installed)}
    automatic = nodes(exposure="0")["camera"].parameters
    assert automatic["depth_module.enable_auto_exposure"] is True
    assert "depth_module.exposure" not in automatic and "serial_no" not in automatic


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"camera": "pyrealsense"}, "pyrealsense"),
        ({"camera": "topic"}, "camera/camera/color"),
        ({"camera": "topic", "camera_topic": "wrist/colour"}, "wrist/colour"),
    ],
)
def test_without_its_driver_one_node_does_it(given: dict[str, str], source: str) -> None:
    (node,) = nodes(**given).values()
    assert (node.executable, node.parameters["source"]) == ("wrist_camera", source)


def test_the_callers_profile_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/mine.xml")
    assert all(VARIABLE not in node.variables for node in nodes().values())


def test_a_profile_that_is_not_installed_is_reported(installed: Path) -> None:
    installed.unlink()
    with pytest.raises(StackError, match=r"no fastdds\.xml"):
        nodes()


def test_a_driver_that_is_not_installed_is_reported_with_its_package() -> None:
    with pytest.raises(StackError, match="apt install ros-jazzy-realsense2-camera"):
        find_executable(nodes()["camera"])


def test_the_twin_has_its_own_camera() -> None:
    with pytest.raises(StackError, match="leave camera:= out"):
        STACKS["train_rl"].plan({"camera": "realsense"})
