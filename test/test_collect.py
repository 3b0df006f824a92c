# SPDX-License-Identifier: Apache-2.0
"""Collections: of policies and of people, mixed, killed and resumed, and converted in the end."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

from fist import a_fist
from harness import Processes, expect_exit, wait_until
from pupil import untrained_student
from steering import trained_run
from test_bag import write_episode

from rldg_core.bags.bag_reader import EpisodeSummary, is_complete
from rldg_distill.convert import main as convert
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.distill import main as distill
from rldg_rl.acting.collection import HOPELESS
from rldg_rl.policies.relabel import main as relabel
from rldg_rl.run_folder import RunFolder


def won(run: Path) -> list[EpisodeSummary]:
    return [e for e in RunFolder(run).episodes() if e.status == "success"]


def test_an_even_mix_of_two_policies_becomes_a_dataset(processes: Processes) -> None:
    runs = processes.folder / "runs"
    trained_run(runs / "a", "connector/vga")
    trained_run(runs / "b", "connector/usb_a")
    policies = f"connector/vga={runs / 'a'},connector/usb_a=b"
    stack = processes.stack("collect", video=True, name="mix", policies=policies, episodes=4)
    expect_exit(stack)

    assert Counter(e.task for e in won(runs / "mix")) == {"connector/vga": 2, "connector/usb_a": 2}
    summary = json.loads((runs / "mix" / "summary.json").read_text())
    assert summary["collected"] == 4 and summary["source"] == "policy"
    assert (runs / "mix" / "videos" / "collection.mp4").stat().st_size > 5_000

    assert convert([str(runs / "mix"), "--out", str(processes.folder / "data" / "mix")]) == 0
    dataset = Dataset(processes.folder / "data" / "mix")
    episodes = [e for split in ("train", "val") for e in dataset.episodes(split)]
    assert Counter(e.metadata.task_id for e in episodes) == {
        "connector/vga": 2,
        "connector/usb_a": 2,
    }
    for episode in episodes:
        assert set(episode.instruction) == {
            f"insert the {episode.metadata.variant.upper().replace('_', '-')} connector into the port"
        }
        assert set(episode.teacher_version) == {7} and set(episode.executed_by) == {0}


def test_a_student_s_own_states_get_the_specialist_s_actions(processes: Processes) -> None:
    """A round of DAgger in miniature."""
    runs, data = processes.folder / "runs", processes.folder / "data"
    trained_run(runs / "vga", "connector/vga")
    untrained_student(runs / "pupil")
    words = {"policy": "pupil", "task": "connector/vga", "status": "all", "transport": "direct"}
    expect_exit(processes.stack("collect", name="own", episodes=3, video=True, **words))
    own = RunFolder(runs / "own")
    assert [e.status for e in own.episodes()] == ["failure"] * 3, "it has learned nothing"
    assert json.loads(own.summary.read_text())["collected"] == 3
    assert (own.videos / "collection.mp4").stat().st_size > 5_000

    words = ["--policy", "connector/vga=vga", "--status", "all", "--name", "labels"]
    assert relabel(["own", *words, "--runs", str(runs)]) == 0
    assert convert([str(runs / "labels"), "--status", "all", "--out", str(data / "labels")]) == 0
    dataset = Dataset(data / "labels")
    for episode in (e for split in ("train", "val") for e in dataset.episodes(split)):
        assert episode.metadata.source == "relabelled" and not episode.metadata.success
        assert set(episode.teacher_version) == {7}, "every step has the specialist's distribution"

    few = ["--student", "cnn", "--steps", "1", "--batch-size", "4", "--device", "cpu"]
    start = ["--init", str(runs / "pupil"), "--name", "better", "--runs", str(runs)]
    assert distill([str(data / "labels"), *few, *start]) == 0
    assert (runs / "better" / "checkpoints" / "student" / "student.json").is_file()


def test_a_stop_of_the_gate_fails_an_episode_without_a_person(
    processes: Processes, domain: int
) -> None:
    run = processes.folder / "runs" / "alone"
    trained_run(run.parent / "a", "connector/vga")
    with a_fist() as fist:
        stack = processes.stack("collect", name="alone", policy="a", episodes=3)
        fist.strike()
    expect_exit(stack)
    assert len(won(run)) == 3
    failed = [e for e in RunFolder(run).episodes() if e.status == "failure"]
    assert 1 <= len(failed) <= 2, "one that was still on its way may have hit the next, too"


def test_a_killed_collection_goes_on(processes: Processes) -> None:
    run = processes.folder / "runs" / "ops"
    words = {"name": "ops", "source": "operator", "task": "connector/vga,connector/usb_c"}
    stack = processes.stack("collect", **words, episodes=6)
    wait_until(lambda: run.is_dir() and len(list(run.glob("bags/*"))) >= 2, "an episode")
    os.kill(processes.pid("safety_gate"), signal.SIGKILL)
    wait_until(lambda: len(won(run)) >= 2, "two successes")
    os.kill(processes.pid("actor"), signal.SIGKILL)
    wait_until(lambda: len(won(run)) >= 3, "three successes")
    before = {e.episode_id for e in won(run)}
    os.kill(stack.pid, signal.SIGKILL)  # its nodes die with it
    stack.wait()

    again = processes.stack("collect", name="ops")
    expect_exit(again)
    assert before <= {e.episode_id for e in won(run)}
    assert Counter(e.task for e in won(run)) == {"connector/vga": 3, "connector/usb_c": 3}
    assert {e.source for e in won(run)} == {"demonstration"}
    assert all(is_complete(bag) for bag in (run / "bags").iterdir())


def test_a_collection_that_was_given_up_goes_on(processes: Processes) -> None:
    run = RunFolder(processes.folder / "runs" / "given_up")
    trained_run(run.path.parent / "a", "connector/vga")
    run.prepare()
    for number in range(HOPELESS):
        write_episode(run.bags / f"policy_{number:05d}")
    stack = processes.stack("collect", name="given_up", policy="a", episodes=1)
    expect_exit(stack)
    assert len(won(run.path)) == 1


def test_a_policy_that_cannot_do_it_is_reported(processes: Processes) -> None:
    runs = processes.folder / "runs"
    run = trained_run(runs / "a", "connector/vga")
    (run / "checkpoints" / "policy.safetensors").write_bytes(b"not weights")
    stack = processes.stack("collect", policy="a", episodes=1)
    expect_exit(stack, 2)
    assert "cannot load the policy" in stack.log.read_text()
