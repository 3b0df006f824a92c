# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of where the arm is: outside of its box nothing may be let go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rldg_core import contract
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_robot.doctor.finding import CheckStatus
from rldg_robot.doctor.node import DoctorNode

TASK = load_task("connector/vga")


@pytest.mark.parametrize(
    ("offset", "yaw", "status"),
    [
        ((0.0, 0.0, 0.03), 0.0, CheckStatus.GOOD),
        ((0.065, 0.0, 0.03), 0.0, CheckStatus.WARNING),
        ((0.1, 0.0, 0.03), 0.0, CheckStatus.BAD),
        ((0.0, 0.0, 0.03), 0.2, CheckStatus.WARNING),
        ((0.0, 0.0, 0.03), 0.6, CheckStatus.BAD),
        ((0.0, 0.0, 0.03), 3.1, CheckStatus.BAD),
        ((np.nan, 0.0, 0.0), 0.0, CheckStatus.BAD),
    ],
)
def test_an_arm_outside_of_its_box_is_to_be_mended_first(
    offset: tuple[float, float, float], yaw: float, status: CheckStatus
) -> None:
    doctor: Any = SimpleNamespace(task=TASK)
    turned = TASK.goal_pose @ Pose.from_rotvec(np.zeros(3), [0.0, 0.0, yaw])
    place = Pose(TASK.goal_pose.position + np.array(offset), turned.quaternion)
    finding = DoctorNode._place(doctor, place)
    assert finding.status is status
    if status is CheckStatus.BAD and np.isfinite(offset).all():
        assert "outside of the box" in finding.found and "guide it back by hand" in finding.fix


def test_bytes_that_are_no_pose_are_not_the_last_one_heard() -> None:
    doctor: Any = SimpleNamespace(_latest={}, streams={})
    DoctorNode._on_stream(doctor, contract.CURRENT_POSE, bytes(16))
    assert not doctor._latest
