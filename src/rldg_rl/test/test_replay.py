# SPDX-License-Identifier: Apache-2.0
"""A recorded episode executed again, on the twin without ROS, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_actor import Diary, Hands
from test_bag import START, STEPS, encode, header, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.actor import Actor, Policy
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.bag import BagWriter
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.replay import (
    NotExecutable,
    RecordedActions,
    RecordedEpisode,
    compare_replay,
    comparison_table,
    read_recorded,
)
from rldg_rl.episodes.step import Belief
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import Observation

TASK = load_task("connector/vga")
SUMMARY = EpisodeSummary("demonstration_00003", "demonstration", "failure", TASK.id, 7, 12, 0, 1.2)


class Wild(Policy):
    """A policy that does something else at every step."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        return Belief(self.random.uniform(-1, 1, 6), np.zeros(6), np.zeros(6), version=3)


def live(policy: object, source: str, steps: int) -> tuple[Diary, EpisodeResult]:
    diary = Diary()
    env = RobotEnv(DirectRobot(TASK), replace(TASK, horizon=steps))
    return diary, Actor(env, Hands([]), diary).run_episode("a", source, 7, policy)  # type: ignore[arg-type]


def path_of(diary: Diary) -> list[Pose]:
    return [diary.steps[0].seen.pose, *(step.after.pose for step in diary.steps)]


def test_the_same_actions_from_the_same_start_lead_along_the_same_path() -> None:
    original, _ = live(Wild(), Source.EVALUATION, 12)
    authors = (ExecutedBy.DEMONSTRATION,) * 11 + (ExecutedBy.INTERVENTION,)
    actions = np.array([step.action for step in original.steps])
    recording = RecordedEpisode(SUMMARY, actions, authors, tuple(path_of(original)))

    again, result = live(RecordedActions(recording), Source.REPLAY, 12)

    found = compare_replay(recording, result, path_of(again))
    assert (found.start_mm, found.largest_mm, found.final_mm) == (0.0, 0.0, 0.0)
    assert found.largest_degrees < 1e-12
    assert (found.recorded_steps, found.replayed_steps) == (12, 12)
    assert found.agrees
    assert np.array_equal([step.action for step in again.steps], actions)
    assert tuple(step.executed_by for step in again.steps) == authors, "whose actions they were"
    assert not again.steps[0].belief.mean.size, "no policy ran"


def test_a_path_that_strays_is_measured_step_by_step() -> None:
    straight = tuple(Pose(np.array([0.1 * i, 0, 0]), np.array([0, 0, 0, 1.0])) for i in range(4))
    recording = RecordedEpisode(
        SUMMARY, np.zeros((3, 7), np.float32), (ExecutedBy.DEMONSTRATION,) * 3, straight
    )
    shifts, turns = (0.001, 0.005, 0.002), (0.0, 0.0, 0.1)  # it ends a step earlier
    strayed = [
        pose @ Pose.from_rotvec([0, 0, shift], [0, turn, 0])
        for pose, shift, turn in zip(straight, shifts, turns, strict=False)
    ]
    result = EpisodeResult("a", TASK, Source.REPLAY, 7, EpisodeStatus.SUCCESS, steps=2)

    found = compare_replay(recording, result, strayed)

    millimetres = (found.start_mm, found.largest_mm, found.final_mm)
    assert millimetres == pytest.approx((1.0, 5.0, 2.0))
    assert found.largest_degrees == found.final_degrees == pytest.approx(np.degrees(0.1))
    cells = {column.header: list(column.cells) for column in comparison_table([found]).columns}
    assert (cells["steps"], cells["max mm"], cells["end mm"]) == (["3, 2"], ["5.000"], ["2.000"])


@pytest.mark.parametrize(
    ("recorded", "replayed", "agrees"),
    [
        ("success", EpisodeStatus.SUCCESS, True),
        ("success", EpisodeStatus.FAILURE, False),
        ("failure", EpisodeStatus.FAILURE, True),
        ("failure", EpisodeStatus.SUCCESS, False),
        ("aborted", EpisodeStatus.FAILURE, True),
        ("aborted", EpisodeStatus.ABORTED, False),
        ("failure", EpisodeStatus.ABORTED, False),
    ],
)
def test_a_replay_agrees_if_it_ends_by_itself_and_solves_what_was_solved(
    recorded: str, replayed: EpisodeStatus, agrees: bool
) -> None:
    here = (Pose.identity(), Pose.identity())
    summary = replace(SUMMARY, status=recorded)
    recording = RecordedEpisode(summary, np.zeros((1, 7), np.float32), (ExecutedBy.POLICY,), here)

    assert (
        compare_replay(recording, EpisodeResult("a", TASK, Source.REPLAY, 7, replayed), here).agrees
        is agrees
    )


@pytest.mark.parametrize("close", [True, False])
def test_a_bag_tells_what_was_done_and_where_it_led(tmp_path: Path, close: bool) -> None:
    write_episode(tmp_path / "policy_00000", close=close)

    found = read_recorded(tmp_path / "policy_00000")

    assert (found.summary.seed, found.summary.task) == (3, "connector/vga")
    assert found.actions.shape == (STEPS, 7)
    assert [pose.position[0] for pose in found.path] == pytest.approx(
        [0.01 * index for index in range(STEPS + 1)]
    )


def test_a_bag_without_a_step_cannot_be_executed(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "policy_00000")
    opening = encode(contract.EPISODE, header=header(START), episode_id="policy_00000")
    writer.write("episode", START, opening)
    writer.close(SUMMARY)

    with pytest.raises(NotExecutable, match="policy_00000 holds no step"):
        read_recorded(tmp_path / "policy_00000")


def test_actions_of_another_contract_are_not_executed(tmp_path: Path) -> None:
    write_episode(tmp_path / "policy_00000")
    metadata = tmp_path / "policy_00000" / "metadata.yaml"
    metadata.write_text(
        metadata.read_text().replace("contract_version: '1'", "contract_version: '0'")
    )

    with pytest.raises(NotExecutable, match="under contract version 0, not 1"):
        read_recorded(tmp_path / "policy_00000")
