# SPDX-License-Identifier: Apache-2.0
"""Who says that the task is done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.rewards.asking_judges import AttendedJudge, ConfirmedJudge, KeyboardJudge
from rldg_rl.rewards.judge import PersonJudge, PoseJudge, Verdict
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation

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
    verdict = PoseJudge(VGA).verdict(replace(seen, pose=pose), last=False)
    assert verdict is Verdict.done_if(done)


@pytest.mark.parametrize("task", ["fmb_insertion/rectangle", "pick_place/pepper"])
def test_a_goal_that_moves_has_no_pose_rule(task: str) -> None:
    with pytest.raises(UserError, match="reward:=pose needs a goal that stays"):
        PoseJudge(load_task(task))


def test_a_person_says_so_for_a_second_without_a_break(seen: Observation) -> None:
    judge = PersonJudge(Buttons(*[True] * 9, False, *[True] * 10, True), VGA)
    judge.begin(seen)
    said = [judge.verdict(seen, last=False) for _ in range(20)]
    assert said == [Verdict.GOES_ON] * 19 + [Verdict.DONE]
    judge.begin(seen)
    assert judge.verdict(seen, last=False) is Verdict.GOES_ON, "another episode, another second"


class Prompter:
    """A person whose answers are known beforehand, and what they were asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.said: bool | None = None

    def invite(self, question: str, seen: Observation) -> None:
        self.asked.append(question)
        self.said = None

    def answer(self, question: str, seen: Observation) -> bool:
        self.asked.append(question)
        return self.answers.pop(0)

    def dismiss(self) -> None:
        self.asked.append("")


@pytest.mark.parametrize("done", [True, False])
def test_a_person_at_the_keyboard_ends_the_episode_at_any_time(
    seen: Observation, done: bool
) -> None:
    person = Prompter()
    judge = KeyboardJudge(person, VGA)
    judge.begin(seen)
    assert judge.verdict(seen, last=False) is Verdict.GOES_ON
    person.said = done
    assert judge.verdict(seen, last=False) is (Verdict.DONE if done else Verdict.FAILED)
    assert person.asked[0].startswith("connector/vga runs") and person.asked[1:] == [""]
    judge.begin(seen)
    assert judge.verdict(seen, last=False) is Verdict.GOES_ON, "another episode"


@pytest.mark.parametrize("done", [True, False])
def test_once_the_time_is_out_the_person_is_asked(seen: Observation, done: bool) -> None:
    person = Prompter(done)
    judge = KeyboardJudge(person, VGA)
    judge.begin(seen)
    assert judge.verdict(seen, last=True) is (Verdict.DONE if done else Verdict.FAILED)
    assert "the time is out" in person.asked[1]


class Says:
    """A judge that says what it is told to."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)

    def begin(self, seen: Observation) -> None:
        pass

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        return self.verdicts.pop(0)


def test_a_suggestion_counts_once_a_person_agrees(seen: Observation) -> None:
    go, done = Verdict.GOES_ON, Verdict.DONE
    person = Prompter(False, False, True)
    judge = ConfirmedJudge(Says(go, *[done] * 21), person, VGA)
    judge.begin(seen)
    verdicts = [judge.verdict(seen, last=False) for _ in range(22)]
    peace = [go] * 9
    assert verdicts == [go, Verdict.RESUMES, *peace, Verdict.RESUMES, *peace, done]
    assert sum("looks done" in question for question in person.asked) == 3


def test_who_just_said_no_is_asked_again_in_the_last_step(seen: Observation) -> None:
    judge = ConfirmedJudge(Says(*[Verdict.DONE] * 2), Prompter(False, True), VGA)
    judge.begin(seen)
    assert judge.verdict(seen, last=False) is Verdict.RESUMES
    assert judge.verdict(seen, last=True) is Verdict.DONE


def test_an_episode_ends_when_its_judge_says_so() -> None:
    third = [Verdict.GOES_ON, Verdict.RESUMES, Verdict.DONE]
    env = RobotEnv(DirectRobot(VGA, looks=False), VGA, judge=Says(*third * 2))
    for _ in range(2):
        env.reset(seed=0)
        ends = [env.step(np.zeros(7))[1:4] for _ in range(3)]
        assert ends == [(0.0, False, False), (0.0, False, False), (1.0, True, False)]


def test_an_episode_that_is_given_up_is_cut_off_not_terminal() -> None:
    env = RobotEnv(DirectRobot(VGA, looks=False), VGA, judge=Says(Verdict.FAILED))
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(np.zeros(7))
    assert (reward, terminated, truncated, info["given_up"]) == (0.0, False, True, True)


class Drifting(DirectRobot):
    """A robot whose world has moved on by the time that somebody looks again."""

    later = 0

    def observe(self, after: int) -> Observation:
        return replace(super().observe(after), state_stamp=self._stamp + self.later)


def test_after_a_pause_the_next_step_is_decided_on_what_is_seen_then() -> None:
    robot = Drifting(VGA, looks=False)
    env = RobotEnv(robot, VGA, judge=Says(Verdict.RESUMES))
    env.reset(seed=0)
    before = env.latest.state_stamp
    *_, info = env.step(np.zeros(7))
    assert info["stood_still"] and env.latest.state_stamp == before + 100_000_000, "what was judged"
    robot.later = 3_000_000_000
    env.look_again()
    assert env.latest.state_stamp == before + 3_100_000_000


def test_a_person_may_end_what_another_judge_would_not(seen: Observation) -> None:
    person = Prompter()
    judge = AttendedJudge(PoseJudge(VGA), person, VGA)
    for said, verdict in ((True, Verdict.DONE), (False, Verdict.FAILED)):
        judge.begin(seen)
        assert "do you give it up?" in person.asked[-1]
        assert judge.verdict(seen, last=False) is Verdict.GOES_ON and person.asked[-1]
        person.said = said
        assert judge.verdict(seen, last=False) is verdict and not person.asked[-1]
    judge.begin(seen)
    there = replace(seen, pose=VGA.goal_pose)
    assert judge.verdict(there, last=False) is Verdict.DONE and not person.asked[-1]
