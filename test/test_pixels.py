# SPDX-License-Identifier: Apache-2.0
"""A specialist that sees, in miniature: learns to see once, is killed, goes on, is judged in either transport."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import torch
from harness import Processes, expect_exit, wait_until

from rldg_core.task import load_task
from rldg_rl.agent.checkpoint import load_policy
from rldg_rl.episodes.bag import stored_steps
from rldg_rl.evaluation.evaluator import main
from rldg_rl.evaluation.results import RecordFile
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")
MINIATURE = {"name": "seer", "demos": 3, "steps": 150, "episodes": 1, "observation": "image"}


def test_it_learns_to_see_once_and_is_judged_alike_in_either_transport(
    processes: Processes,
) -> None:
    run = RunFolder(processes.folder / "runs" / "seer")
    stack = processes.stack("train_rl", **MINIATURE)
    wait_until(lambda: any(run.bags.glob("policy_*")) or stack.poll(), "the training")
    assert stack.poll() is None, stack.log.read_text()
    fit = json.loads(run.encoder_fit.read_text())
    assert fit["updates"] == 500 and 0.0 < fit["position"] < 0.02
    log = (run.path / "logs" / "learner.log").read_text()
    assert "learned to see: predicts the goal to" in log
    wait_until(run.learner_checkpoint.is_file, "a checkpoint")
    os.kill(processes.pid("learner"), signal.SIGKILL)
    expect_exit(stack)
    assert (run.path / "logs" / "learner.log").read_text().count("learned to see") == 1
    assert json.loads(run.summary.read_text())["steps"] >= 150

    policy, updates = load_policy(run.policy_checkpoint)
    assert updates >= 300 and policy.encoder["updates"][0] == 500
    (first, *_) = stored_steps(run.bags / "policy_00000", VGA, looks=True)
    assert first.image is not None and first.image.shape == (128, 128, 3)
    plain = next(stored_steps(run.bags / "policy_00000", VGA))
    assert plain.image is None and (plain.observation == first.observation).all()

    judged = processes.stack("evaluate", name="seer", episodes=1, evaluation="ros")
    expect_exit(judged)
    torch.set_num_threads(1)
    words = (str(run.path), "--task", VGA.id, "--episodes", "1", "--workers", "1", "--no-video")
    assert main([*words, "--name", "direct"]) == 0
    (through_ros,), (directly,) = (
        RecordFile(run.path / "evaluations" / name / "episodes.jsonl").read()
        for name in ("ros", "direct")
    )
    assert directly == replace(through_ros, bag="")


def test_without_demonstrations_it_cannot_learn_to_see(processes: Processes) -> None:
    stack = processes.stack("train_rl", **{**MINIATURE, "demos": 0})
    expect_exit(stack, 2)
    assert "observation:=image learns to see from demonstrations" in stack.log.read_text()
