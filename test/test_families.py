# SPDX-License-Identifier: Apache-2.0
"""Every task family through a whole stack: trained on a little, filmed, recorded, and made a dataset."""

from __future__ import annotations

import json

import numpy as np
import pytest
from harness import Processes

from rldg_distill.convert import main as convert
from rldg_distill.dataset import Dataset
from rldg_rl.run_folder import RunFolder
from rldg_robot import contract
from rldg_robot.bag_reader import messages_of
from rldg_robot.message_values import pose_of
from rldg_robot.scenes import scene_of
from rldg_robot.task import load_task

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize(
    "task_id", ["fmb_insertion/rectangle", "pick_place/pepper", "fmb_assembly/rectangle"]
)
def test_a_family_goes_through_the_whole_stack(processes: Processes, task_id: str) -> None:
    task = load_task(task_id)
    words = {"task": task_id, "name": "small", "demos": 0, "operator": "none"}
    stack = processes.stack("train_rl", **words, steps=40, episodes=1)
    assert stack.wait(200) == 0, stack.log.read_text()
    run = RunFolder(processes.folder / "runs" / "small")
    assert json.loads(run.summary.read_text())["evaluation"]["episodes"] == 1
    assert (run.videos / "evaluation.mp4").stat().st_size > 5_000

    states = messages_of(run.bags / run.episodes()[0].episode_id, contract.TASK_STATE)
    assert {len(state.objects) for state in states} == {len(scene_of(task).movable)}
    assert states[0].gripper == 0.0  # nothing to close or open on the way
    lower, upper = np.array(task.box.lower), np.array(task.box.upper)
    for state in states:
        away = pose_of(state.goal).position - task.goal_pose.position
        assert np.all(away > lower) and np.all(away < upper)

    data = processes.folder / "data" / "small"
    assert convert([str(run.path), "--out", str(data), "--status", "all"]) == 0
    dataset = Dataset(data)
    (episode, *_) = [e for split in ("train", "val") for e in dataset.episodes(split)]
    assert episode.metadata.task_id == task_id
    assert set(episode.instruction) == {task.instruction}
