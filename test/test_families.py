# SPDX-License-Identifier: Apache-2.0
"""Every task family through whole stacks: shown by the operator, trained on a little, filmed, and made a dataset."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from harness import Processes, expect_exit
from test_evaluate import assert_same_trajectory, run_directly

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of
from rldg_core.message_values import pose_of
from rldg_core.task import load_task
from rldg_distill.convert import main as convert
from rldg_distill.datasets.rlds import Dataset
from rldg_rl.run_folder import RunFolder
from rldg_robot.simulation.scenes import scene_of

FAMILIES = ("fmb_insertion/rectangle", "pick_place/pepper", "fmb_assembly/rectangle")


def test_the_operator_shows_every_family(processes: Processes) -> None:
    words = {"name": "shown", "source": "operator", "task": ",".join(FAMILIES), "episodes": 3}
    stack = processes.stack("collect", video=True, **words)
    expect_exit(stack)
    run = RunFolder(processes.folder / "runs" / "shown")
    shown = [episode for episode in run.episodes() if episode.status == "success"]
    assert Counter(episode.task for episode in shown) == dict.fromkeys(FAMILIES, 1)
    assert (run.videos / "collection.mp4").stat().st_size > 5_000
    for episode in shown:
        task = load_task(episode.task)
        states = messages_of(run.bags / episode.episode_id, contract.TASK_STATE)
        assert {len(state.objects) for state in states} == {len(scene_of(task).movable)}
        assert (-1.0 in {state.gripper for state in states}) == (task.grasp is not None)
        away = [pose_of(state.goal).position - task.goal_pose.position for state in states]
        assert np.all(np.array(away) > task.box.lower) and np.all(np.array(away) < task.box.upper)

    data = processes.folder / "data" / "shown"
    assert convert([str(run.path), "--out", str(data)]) == 0
    dataset = Dataset(data)
    for episode in (e for split in ("train", "val") for e in dataset.episodes(split)):
        task = load_task(episode.metadata.task_id)
        assert set(episode.instruction) == {task.instruction}
        asked = set(episode.action[:, 6])
        assert asked == ({0.0} if task.gripper == "closed" else {0.0, 1.0})


def test_a_specialist_with_a_gripper_goes_through_the_whole_stack(processes: Processes) -> None:
    words = {"task": "pick_place/pepper", "name": "small", "demos": 1, "steps": 40, "episodes": 1}
    stack = processes.stack("train_rl", video=True, **words)
    expect_exit(stack)
    run = RunFolder(processes.folder / "runs" / "small")
    assert json.loads(run.summary.read_text())["evaluation"]["episodes"] == 1
    assert [e.status for e in run.episodes() if e.source == "demonstration"][-1] == "success"
    assert (run.videos / "evaluation.mp4").stat().st_size > 5_000
    # Object, gripper and all: without ROS it is the same episode, bit for bit.
    evaluated = [episode for episode in run.episodes() if episode.source == "evaluation"][-1]
    steps = run_directly(run.path, evaluated.task, evaluated.seed)
    assert_same_trajectory(run.bags / evaluated.episode_id, evaluated.task, steps)
