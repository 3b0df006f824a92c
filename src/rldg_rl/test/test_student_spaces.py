# SPDX-License-Identifier: Apache-2.0
"""A student acts for the body that it was trained for, without a camera where it needs none, and for no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rldg_core.arm_spaces import ARM
from rldg_core.poses import Pose
from rldg_core.space import Space, Spaces
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_distill.students.card import DataCard
from rldg_distill.students.mlp.student import MlpConfig, MlpStudent
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.student_policy import StudentPolicy, student_policy
from rldg_rl.robot.observation import Observation

VGA = load_task("connector/vga")
NO_POSE = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


def card(spaces: Spaces) -> DataCard:
    """Of data without images."""

    def rows(size: int) -> dict[str, list[float] | list[bool]]:
        return {"mean": [0.0] * size, "std": [1.0] * size, "mask": [True] * size}

    return DataCard(
        statistics={"action": rows(len(spaces.action)), "state": rows(len(spaces.state))},
        fingerprints={"nothing": "0"},
        cameras={},
        topics={},
        control_rate=VGA.control_rate,
        instructions=(VGA.instruction,),
        action_scales=((0.01,) * spaces.action.motions,),
        spaces=spaces,
    )


def saved(folder: Path, spaces: Spaces) -> Path:
    """An mlp with random weights."""
    torch.manual_seed(0)
    MlpStudent(MlpConfig("tiny", width=8), card(spaces)).save(folder)
    return folder


def seen(force: float = 0.0) -> Observation:
    return Observation(
        state_stamp=0,
        image_stamp=0,
        pose=NO_POSE,
        twist=np.zeros(6),
        wrench=np.full(6, force),
        gripper_width=0.02,
        offset=NO_POSE,
        goal_gripper=0.0,
        progress=0.0,
        success=False,
        image=np.zeros((128, 128, 3), np.uint8),
    )


def test_an_mlp_moves_the_arm_by_its_state_alone(tmp_path: Path) -> None:
    policy = student_policy(saved(tmp_path / "arm", ARM), VGA, Execution(), beside=False)
    found = []
    for force in (0.0, 5.0):
        policy.begin(seen(), seed=0)
        action = policy.act(seen(force), np.zeros(28, np.float32), deterministic=True).action
        assert action.shape == (7,) and np.abs(action).max() <= 1.0
        found.append(action)
    assert not np.array_equal(found[0], found[1])


def test_a_student_of_another_body_is_refused_before_anything_moves(tmp_path: Path) -> None:
    wheels = Spaces(Space.of("left [rad/s]", "right [rad/s]"), Space.of("x [m]", "y [m]"))
    folder = saved(tmp_path / "wheels", wheels)
    with pytest.raises(UserError, match=r"another body .* number 0 is 'left \[rad/s\]'"):
        student_policy(folder, VGA, Execution(), beside=False)
    finer = Spaces(replace(ARM.action, unit=(0.001, *ARM.action.unit[1:])), ARM.state)

    class Finer:
        config, data = None, card(finer)

    with pytest.raises(UserError, match=r"1.0 of 'translation_x \[m\]' is 0.001, and here 1"):
        StudentPolicy(Finer(), VGA, Execution(), beside=False)  # type: ignore[arg-type]
