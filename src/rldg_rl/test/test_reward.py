# SPDX-License-Identifier: Apache-2.0
"""Who says that the task is done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rldg_rl.direct_robot import DirectRobot
from rldg_rl.environment import RobotEnv
from rldg_rl.observation import Observation
from rldg_rl.reward import PersonJudge, PoseJudge
from rldg_robot.poses import Pose
from rldg_robot.task import load_task
from rldg_robot.user_error import UserError

VGA = load_task("connector/vga")


@pytest.fixture(scope="module")
def seen() -> Observation:
    return DirectRobot(VGA, looks=False).reset(0, VGA.id)


class Buttons:
    """Hands that say what they are told to."""

    def __init__(self, *said: bool) -> None:
        self.said = list(said)

    def declares_done(self, seen: Observation) -> bool:
        return self.said.pop(0)


@pytest.mark.parametrize(
    ("way", "turn", "done"),
    [
        ([0, 0, 0], [0, 0, 0], True),
        ([0.004, -0.004, -0.002], [0.05, 0, 0], True),
        ([0.006, 0, 0], [0, 0, 0], False),
        ([0, 0, -0.004], [0, 0, 0], False),
        ([0, 0, 0], [0, 0, 0.2], False),
    ],
)
def test_the_pose_rule_of_the_paper(
    seen: Observation, way: list[float], turn: list[float], done: bool
) -> None:
    pose = VGA.goal_pose @ Pose.from_rotvec(way, turn)
    assert PoseJudge(VGA).succeeded(replace(seen, pose=pose)) is done


@pytest.mark.parametrize("task", ["fmb_insertion/rectangle", "pick_place/pepper"])
def test_a_goal_that_moves_has_no_pose_rule(task: str) -> None:
    with pytest.raises(UserError, match="reward:=pose needs a goal that stays"):
        PoseJudge(load_task(task))


def test_a_person_says_so_for_a_second_without_a_break(seen: Observation) -> None:
    judge = PersonJudge(Buttons(*[True] * 9, False, *[True] * 10, True), VGA)
    judge.begin()
    said = [judge.succeeded(seen) for _ in range(20)]
    assert said == [False] * 19 + [True]
    judge.begin()
    assert not judge.succeeded(seen), "another episode, another second"


def test_an_episode_ends_when_its_judge_says_so() -> None:
    class Third:
        def begin(self) -> None:
            self.asked = 0

        def succeeded(self, seen: Observation) -> bool:
            self.asked += 1
            return self.asked == 3

    env = RobotEnv(DirectRobot(VGA, looks=False), VGA, judge=Third())
    for _ in range(2):
        env.reset(seed=0)
        ends = [env.step(np.zeros(7))[1:3] for _ in range(3)]
        assert ends == [(0.0, False), (0.0, False), (1.0, True)]
