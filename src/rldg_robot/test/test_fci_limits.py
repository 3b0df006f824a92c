# SPDX-License-Identifier: Apache-2.0
"""The driver's arm before franka-sim, which ends a motion that breaks one of the FR3's limits, as the robot does.

franka-sim needs an older MuJoCo than the project, so it lives in an environment of its own, which `./rldg test` makes.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from rldg_core.poses import Pose
from rldg_core.site_file import Site
from rldg_core.task import Compliance, ErrorClip, load_task, task_ids
from rldg_robot.fci.arm import ArmRefuses, FciArm
from rldg_robot.fci.simulator import FLANGE_TO_TCP
from rldg_robot.simulation.scene import assets

PYTHON = os.environ.get("FRANKA_SIM_PYTHON", "")
ADDRESS = f"127.{1 + os.getpid() // 250 % 250}.{os.getpid() % 250}.3"
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="FRANKA_SIM_PYTHON names no Python with franka-sim: ./rldg test does"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    source = str(Path(__file__).with_name("franka_sim_server.py"))
    # -E: a PYTHONPATH leads to the project's own MuJoCo.
    words = (PYTHON, "-E", source, ADDRESS, json.dumps(column_major(FLANGE_TO_TCP)))
    environment = dict(os.environ, FR3_MJCF=str(model_in(tmp_path_factory.mktemp("model"))))
    process = subprocess.Popen(words, env=environment)
    yield
    process.kill()
    process.wait()


def model_in(folder: Path) -> Path:
    """The FR3 of the franky-sim wheel, its meshes named by their whole paths."""
    text = (assets() / "fr3.xml").read_text()
    model = folder / "fr3.xml"
    model.write_text(text.replace('meshdir="assets"', f'meshdir="{assets() / "meshes"}"'))
    return model


def column_major(pose: Pose) -> list[float]:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.matrix, pose.position
    return [float(value) for value in matrix.T.ravel()]


@contextmanager
def connected(compliance: Compliance) -> Iterator[FciArm]:
    arm = FciArm(Site(robot_ip=ADDRESS), compliance, patience=60.0)
    try:
        yield arm
    finally:
        arm.close()


COMPLIANCES = {load_task(task).compliance: task for task in task_ids()}
"""and one task of each"""


@pytest.mark.parametrize("task_id", COMPLIANCES.values())
def test_no_target_that_the_gate_lets_through_breaks_a_limit(server: None, task_id: str) -> None:
    """Full actions of the task, back and forth along every axis and then at random, 10 times a second."""
    task = load_task(task_id)
    along = np.vstack([sign * axis for axis in np.eye(6) for sign in (1.0, -1.0)])
    at_random = np.sign(np.random.default_rng(0).normal(size=(30, 6)))
    with connected(task.compliance) as arm:
        start = arm.state().pose
        farthest = 0.0
        for action in np.vstack([along, at_random]):
            pose = arm.state().pose
            shift = pose.position + task.action_scale.translation * action[:3]
            turn = Pose.from_rotvec(np.zeros(3), task.action_scale.rotation * action[3:])
            arm.follow(Pose(shift, (pose @ turn).quaternion))
            time.sleep(0.1)
            assert (arm.trouble(), arm.state().errors) == ("", ())
            farthest = max(farthest, float(np.linalg.norm(pose.position - start.position)))
        assert farthest > 0.01


def test_neither_does_a_jump_across_the_workspace_nor_a_stop_on_the_way(server: None) -> None:
    with connected(load_task("connector/vga").compliance) as arm:
        start = arm.state().pose
        for side in (0.3, -0.3, 0.3):
            arm.follow(Pose(start.position + [0.0, side, 0.0], start.quaternion))
            time.sleep(0.5)
            assert (arm.trouble(), arm.state().errors) == ("", ())
        arm.stop()
        until(lambda: not arm.following)
        assert (arm.trouble(), arm.state().errors) == ("", ())
        arm.follow(start)
        time.sleep(0.2)
        assert arm.following


def test_a_spring_that_pulls_thirty_times_as_hard_breaks_one_and_it_is_reported(
    server: None,
) -> None:
    """The limits are enforced indeed; what the driver says of one, and that a person's word clears it."""
    far = ErrorClip((-0.3, -0.3, -0.3), (0.3, 0.3, 0.3))
    compliance = replace(
        load_task("connector/vga").compliance, translational_clip=far, translational_damping=1.0
    )
    with connected(compliance) as arm:
        start = arm.state().pose
        arm.follow(Pose(start.position + [0.0, 0.3, 0.0], start.quaternion))
        until(arm.trouble)
        assert "violation" in arm.trouble()
        with pytest.raises(ArmRefuses, match="violation"):
            arm.follow(start)
        assert "recovered from" in arm.recover().text and arm.state().errors == ()
