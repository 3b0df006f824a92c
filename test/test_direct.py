# SPDX-License-Identifier: Apache-2.0
"""Training and collection without ROS: episodes and run folder as through ROS, and nothing is lost to a kill."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
from harness import Processes, executable, expect_exit, wait_until
from steering import trained_run

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary, is_complete, messages_of, read_summary
from rldg_core.task import load_task
from rldg_rl.episodes.bag import recorded_steps, stored_steps
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")
UNTAUGHT = {"task": "connector/vga", "seed": 3, "demos": 2, "steps": 60, "episodes": 1}
"""fewer steps than the first update waits for: until the end all actions are the first weights'"""


def course(run: Path) -> dict[str, tuple[list[object], ...]]:
    """What was done in every episode, and where that led."""
    found = {}
    for bag in RunFolder(run).own_bags():
        steps = list(recorded_steps(bag, VGA))
        believed = [np.asarray(m.policy_mean) for m in messages_of(bag, contract.STEP)]
        found[bag.name] = (
            [step.action.tolist() for step in steps],
            [step.executed_by for step in steps],
            [step.after.pose.position.tolist() for step in steps],
            [mean.tolist() for mean in believed],
            [read_summary(bag).seed, read_summary(bag).status],
        )
    return found


def test_the_same_seed_gives_the_same_episodes_as_through_ros(processes: Processes) -> None:
    runs = processes.folder / "runs"
    expect_exit(processes.stack("train_rl", name="direct", transport="direct", **UNTAUGHT))
    expect_exit(processes.stack("train_rl", name="ros", **UNTAUGHT))
    assert course(runs / "direct") == course(runs / "ros")


def program_of(processes: Processes, name: str) -> int:
    """Process id of the one program of that name."""
    (found,) = (
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if (words := command_line(folder)) and words[1:2] and words[1].endswith(f"/{name}")
        if any(processes.folder.name in word for word in words)
    )
    return found


def command_line(folder: Path) -> list[str]:
    try:
        return (folder / "cmdline").read_text().split("\0")
    except OSError:  # it ended
        return []


def test_a_killed_training_goes_on_and_its_run_serves_everybody(processes: Processes) -> None:
    folder = processes.folder / "runs" / "mini"
    run, words = RunFolder(folder), {"task": "connector/vga", "demos": 3, "steps": 150}
    words |= {"name": "mini", "episodes": 1, "transport": "direct"}
    stack = processes.stack("train_rl", **words)
    wait_until((run.bags / "policy_00001").is_dir, "the second training episode")
    os.kill(program_of(processes, "trainer"), signal.SIGKILL)
    stack.wait()
    open_bags = [bag for bag in run.own_bags() if not is_complete(bag)]
    assert len(open_bags) == 1, "the kill came in the middle of an episode"

    # It forgot how it was started; the run has not.
    expect_exit(processes.stack("train_rl", name="mini", video=True))
    bags = list(run.own_bags())
    assert all(is_complete(bag) for bag in bags)
    summaries = [read_summary(bag) for bag in bags]
    for bag, recorded in zip(bags, summaries, strict=True):
        assert [s.index for s in stored_steps(bag, VGA)] == list(range(recorded.steps))
    summary = json.loads(run.summary.read_text())
    assert summary["steps"] == sum(s.steps for s in summaries if s.source == "policy") >= 150
    assert summary["updates"] == 2 * summary["steps"]
    assert {"episodes": 1}.items() <= summary["evaluation"].items()
    assert (folder / "learning_curve.png").is_file()
    assert (folder / "videos" / "evaluation.mp4").stat().st_size > 5_000
    assert {path.name for path in run.tensorboard.iterdir()} == {"actor", "learner"}

    judged = {"name": "mini", "episodes": 2, "evaluation": "direct", "transport": "direct"}
    expect_exit(processes.stack("evaluate", **judged))
    data = processes.folder / "data"
    convert = executable("rldg_distill", "convert")
    expect_exit(
        processes.start(convert, str(folder), "--out", str(data), "--source", "demonstration")
    )
    assert any(data.iterdir())


def test_several_processes_collect_what_nodes_do(processes: Processes) -> None:
    runs = processes.folder / "runs"
    trained_run(runs / "a", "connector/vga")
    words = {"policy": "a", "episodes": 4, "seed": 5}
    direct = {"transport": "direct", "workers": 2}
    expect_exit(processes.stack("collect", video=True, name="direct", **direct, **words))
    expect_exit(processes.stack("collect", name="ros", **words))
    assert course(runs / "direct") == course(runs / "ros")
    told = [json.loads((runs / name / "summary.json").read_text()) for name in ("direct", "ros")]
    for summary in told:
        del summary["wall_seconds"]
    assert told[0] == told[1]
    assert (runs / "direct" / "videos" / "collection.mp4").stat().st_size > 5_000


def test_a_killed_collection_goes_on(processes: Processes) -> None:
    run = RunFolder(processes.folder / "runs" / "ops")
    words = {"name": "ops", "source": "operator", "task": "connector/vga,connector/usb_c"}
    words |= {"episodes": 6, "transport": "direct", "workers": 2}

    def won() -> list[EpisodeSummary]:
        return [e for e in run.episodes() if e.status == "success"] if run.bags.is_dir() else []

    stack = processes.stack("collect", **words)
    wait_until(lambda: len(won()) >= 2, "two successes")
    os.kill(program_of(processes, "collector"), signal.SIGKILL)
    stack.wait()
    before = {e.episode_id: e for e in won()}
    expect_exit(processes.stack("collect", **words))
    after = {e.episode_id: e for e in won()}
    assert before.items() <= after.items(), "what was collected stays"
    assert Counter(e.task for e in after.values()) == {"connector/vga": 3, "connector/usb_c": 3}
    assert all(map(is_complete, run.own_bags()))
