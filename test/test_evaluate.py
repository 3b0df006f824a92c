# SPDX-License-Identifier: Apache-2.0
"""Evaluations through ROS and without: the same episodes, whoever lives them and in however many goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fist import a_fist
from harness import Processes, expect_exit, wait_until
from pupil import untrained_student
from steering import fumbling_policy, trained_run

from rldg_core import contract
from rldg_core.bags.bag_reader import images, messages_of, read_summary
from rldg_core.message_values import nanoseconds
from rldg_core.perturbation import read_perturbation
from rldg_core.task import load_task
from rldg_core.vocabulary import Source
from rldg_msgs.msg import Episode
from rldg_rl.acting.actor import Actor, HandsOff
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.bag import stored_steps
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.replay import read_recorded
from rldg_rl.episodes.step import ControlStep
from rldg_rl.evaluation import sweep
from rldg_rl.evaluation.conditions import Conditions, conditions_of
from rldg_rl.evaluation.evaluator import main
from rldg_rl.evaluation.outcomes import GATE_STOP
from rldg_rl.evaluation.results import Record, RecordFile
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.trained_policy import trained_policy
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.run_folder import RunFolder

EVERYTHING = (
    "light:0.5,colours:0.3,texture:1,camera:2mm,camera_turn:1deg,clearance:0.1mm,friction:50%,board:1mm,noise:0.2mm,"
    "force_noise:0.5N,image_noise:2%,latency:60ms"
)
VGA, HDMI, PEPPER = "connector/vga", "connector/hdmi", "pick_place/pepper"


def records(run: Path, name: str) -> list[Record]:
    """Of an evaluation, in the order of tasks and numbers."""
    found = RecordFile(run / "evaluations" / name / "episodes.jsonl").read()
    return sorted(found, key=lambda record: (record.task, record.number))


def evaluate(run: Path, name: str, *words: str) -> list[Record]:
    """Without ROS, in this process."""
    assert main([str(run), "--name", name, "--workers", "1", "--no-video", *words]) == 0
    return records(run, name)


class Diary:
    """Keeps the steps of an episode."""

    def opened(self, result: EpisodeResult) -> None:
        self.steps: list[ControlStep] = []

    def before_step(self) -> None:
        pass

    def after_step(self, step: ControlStep) -> None:
        self.steps.append(step)

    def closed(self, result: EpisodeResult) -> None:
        pass


def run_directly(run: Path, task_id: str, seed: int, perturb: str = "") -> list[ControlStep]:
    """The steps of an episode without ROS."""
    task, diary = load_task(task_id), Diary()
    checkpoint = run / "checkpoints" / "policy.safetensors"
    policy = trained_policy(checkpoint, task, Execution(), beside=False)
    robot = DirectRobot(task, perturbation=read_perturbation(perturb))
    actor = Actor(RobotEnv(robot, task), HandsOff(), diary)
    actor.run_episode("evaluation_00000", Source.EVALUATION, seed, policy)
    return diary.steps


def test_through_ros_and_directly_a_policy_lives_the_same_episodes(processes: Processes) -> None:
    run = trained_run(processes.folder / "runs" / "a", VGA)
    task = f"{VGA},{HDMI}"
    stack = processes.stack(
        "evaluate", video=True, name="a", task=task, episodes=2, seed=3, evaluation="ros"
    )
    expect_exit(stack)
    through_ros = records(run, "ros")
    assert [(r.task, r.number) for r in through_ros] == [(HDMI, 0), (HDMI, 1), (VGA, 0), (VGA, 1)]
    directly = evaluate(run, "direct", "--task", task, "--episodes", "2", "--seed", "3")
    assert directly == [replace(record, bag="") for record in through_ros]

    bags = run / "evaluations" / "ros" / "bags"
    for record in through_ros:
        steps = run_directly(run, record.task, record.seed)
        assert_same_trajectory(bags / record.bag, record.task, steps)

    summaries = [
        json.loads((run / "evaluations" / name / "summary.json").read_text())
        for name in ("ros", "direct")
    ]
    for part in ("evaluation", "evaluations", "seen", "unseen"):
        assert summaries[0][part] == summaries[1][part]
    assert set(summaries[0]["evaluations"]) == {VGA, HDMI}
    assert (run / "evaluations" / "ros" / "videos" / "evaluation.mp4").stat().st_size > 10_000


def test_perturbed_they_are_the_same_too(processes: Processes) -> None:
    run = trained_run(processes.folder / "runs" / "a", VGA)
    words = {"name": "a", "episodes": 2, "evaluation": "ros", "perturb": EVERYTHING}
    stack = processes.stack("evaluate", **words)
    expect_exit(stack)
    through_ros = records(run, "ros")
    options = ("--task", VGA, "--episodes", "2")
    directly = evaluate(run, "direct", *options, "--perturb", EVERYTHING)
    assert directly == [replace(record, bag="") for record in through_ros]
    assert directly != evaluate(run, "nominal", *options)
    bags = run / "evaluations" / "ros" / "bags"
    for record in through_ros:
        steps = run_directly(run, record.task, record.seed, EVERYTHING)
        assert_same_trajectory(bags / record.bag, record.task, steps)
        off = str(read_perturbation(EVERYTHING)).replace(",", "+")
        assert read_summary(bags / record.bag).domain == f"sim+{off}"
    for name, perturb in (("ros", EVERYTHING), ("direct", EVERYTHING), ("nominal", None)):
        summary = json.loads((run / "evaluations" / name / "summary.json").read_text())
        assert summary["perturb"] == perturb

    again = processes.stack("evaluate", **{**words, "episodes": 3, "perturb": "light:0.5"})
    expect_exit(again, 2)  # an evaluation goes on as it began
    assert "was made with perturb:=light" in again.log.read_text()
    assert len(records(run, "ros")) == 2


def test_fingers_that_open_and_close_do_so_at_the_same_steps(processes: Processes) -> None:
    run = trained_run(processes.folder / "runs" / "a", PEPPER, fumbling_policy(load_task(PEPPER)))
    stack = processes.stack("evaluate", name="a", episodes=1, evaluation="ros")
    expect_exit(stack)
    (record,) = records(run, "ros")
    steps = run_directly(run, PEPPER, record.seed)
    assert sum(step.gripper_changed for step in steps) > 2
    assert_same_trajectory(run / "evaluations" / "ros" / "bags" / record.bag, record.task, steps)


def assert_same_trajectory(bag: Path, task_id: str, steps: list[ControlStep]) -> None:
    """Bit for bit: observations, actions, rewards, ends, poses and images."""
    stored = list(stored_steps(bag, load_task(task_id)))
    assert len(stored) == len(steps)
    for then, now in zip(stored, steps, strict=True):
        assert np.array_equal(then.observation, now.state)
        assert np.array_equal(then.action, now.action)
        assert (then.reward, then.terminated) == (now.reward, now.terminated)
        assert then.truncated == now.truncated
    poses = [step.seen.pose for step in steps] + [steps[-1].after.pose]
    for then, now in zip(read_recorded(bag).path, poses, strict=True):
        assert np.array_equal(then.position, now.position)
        assert np.array_equal(then.quaternion, now.quaternion)
    seen = images(bag, contract.WRIST_IMAGE)
    for message, step in zip(messages_of(bag, contract.STEP), steps, strict=True):
        assert np.array_equal(seen[nanoseconds(message.image_stamp)], step.seen.image)


def test_a_student_is_judged_alike_and_noted_in_its_run(processes: Processes) -> None:
    run = processes.folder / "runs" / "pupil"
    untrained_student(run)
    words = {"name": "pupil", "task": VGA, "episodes": 1, "replan": 2, "ensemble": 0.1}
    stack = processes.stack("evaluate", **words, evaluation="ros")
    expect_exit(stack)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["evaluation"]["episodes"] == 1
    assert summary["evaluations"] == {VGA: summary["evaluation"]}
    (through_ros,) = records(run, "ros")
    options = ("--episodes", "1", "--replan", "2", "--ensemble", "0.1")
    assert evaluate(run, "direct", "--task", VGA, *options) == [replace(through_ros, bag="")]
    evaluate(run, "other", "--task", HDMI, "--episodes", "1")
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["evaluations"]) == {VGA, HDMI}
    assert summary["evaluation"] == summary["evaluations"][HDMI]


def test_a_stop_of_the_gate_fails_an_episode_and_the_others_are_run(
    processes: Processes, domain: int
) -> None:
    run = trained_run(processes.folder / "runs" / "a", VGA)
    with a_fist() as fist:
        stack = processes.stack("evaluate", name="a", episodes=6, evaluation="ros")
        fist.strike()
    expect_exit(stack)
    found = records(run, "ros")
    assert [record.number for record in found] == list(range(6))
    # Whichever episode the blow fell into; one that was still on its way may have hit the next, too.
    stopped = [record for record in found if record.failure == GATE_STOP]
    assert 1 <= len(stopped) <= 2
    hit = stopped[0]
    assert not hit.success and hit.steps < 100
    summary = json.loads((run / "evaluations" / "ros" / "summary.json").read_text())
    assert summary["evaluation"]["failures"][GATE_STOP] == len(stopped)
    last = messages_of(run / "evaluations" / "ros" / "bags" / hit.bag, contract.EPISODE)[-1]
    assert last.status == Episode.FAILURE and "wrench" in last.reason


def test_a_stop_of_the_gate_from_before_the_first_episode_fails_none(
    processes: Processes, domain: int
) -> None:
    run = trained_run(processes.folder / "runs" / "a", VGA)
    folder = run / "evaluations" / "ros"
    processes.node("rldg_robot", "safety_gate", task=VGA, use_sim_time="true")
    with a_fist() as fist:
        fist.stop_the_gate()
    processes.node("rldg_robot", "twin", task=VGA)
    processes.node("rldg_rl", "recorder", run=folder, use_sim_time="true")
    words = {"run": folder, "task": VGA, "mode": "evaluate", "operator": "none", "episodes": 1}
    words |= {"policy": RunFolder(run).policy_checkpoint, "randomize": "true"}
    actor = processes.node("rldg_rl", "actor", use_sim_time="true", **words)
    expect_exit(actor)
    (record,) = records(run, "ros")
    assert record.success and record.steps > 0
    assert conditions_of(RunFolder(folder)) == Conditions(randomize=True)
    assert read_summary(folder / "bags" / record.bag).domain == "sim+randomized"


def start(*words: str) -> subprocess.Popen[str]:
    """The evaluator in a process group of its own."""
    # A test that runs in the background is deaf to SIGINT, and what it starts would be, too.
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "rldg_rl.evaluation.evaluator",
        *words,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_ctrl_c_leaves_what_was_done_and_the_same_command_goes_on(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "a", VGA)
    words = (str(run), "--task", VGA, "--episodes", "24", "--workers", "2", "--no-video")
    process = start(*words, "--name", "halves")
    file = run / "evaluations" / "halves" / "episodes.jsonl"
    wait_until(lambda: file.is_file() and len(RecordFile(file).read()) > 2, "three episodes")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "--name halves resumes" in " ".join(output.split()) and "Traceback" not in output
    assert not (file.parent / "summary.json").exists()
    done = RecordFile(file).read()
    assert 2 < len(done) < 24
    with file.open("a") as stream:
        stream.write('{"task": "connec')  # as a kill would leave it

    again = start(*words, "--name", "halves")
    output, _ = again.communicate()
    assert again.returncode == 0 and f"going on: {len(done)} of 24 episodes are done" in output
    assert RecordFile(file).read()[: len(done)] == done, "nothing was lived twice"
    whole = evaluate(run, "whole", "--task", VGA, "--episodes", "24")
    assert records(run, "halves") == whole


def test_an_evaluation_goes_on_as_it_began_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run(tmp_path / "a", VGA)
    words = [str(run), "--task", VGA, "--name", "x", "--no-video"]
    assert main([*words, "--episodes", "1"]) == 0
    assert main([*words, "--episodes", "2", "--seed", "1"]) == 2
    assert "made with seed:=0, not 1; give another name" in " ".join(
        capsys.readouterr().err.split()
    )
    assert main([*words, "--episodes", "2", "--perturb", "noise:1mm"]) == 2
    assert "made with perturb:=None, not noise:1mm" in " ".join(capsys.readouterr().err.split())
    assert main([*words, "--episodes", "2"]) == 0, "more of the same are welcome"
    assert len(records(run, "x")) == 2
    policy = run / "checkpoints" / "policy.safetensors"
    os.utime(policy, (1, 1))
    assert main([*words, "--episodes", "3"]) == 2, "the policy has become another"


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["--task", VGA], "has no trained policy"),
        (["--task", "connector/scart"], "no task 'connector/scart'; there are: connector/"),
        (["--task", VGA, "--perturb", "weather:3"], "there is no axis 'weather'"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], output: str
) -> None:
    assert main([str(tmp_path), *words]) == 2
    assert output in capsys.readouterr().err


@pytest.mark.parametrize("program", [main, sweep.main])
def test_a_seed_is_no_negative_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: Callable[[list[str]], int]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        program([str(trained_run(tmp_path / "a", VGA)), "--task", VGA, "--seed", "-1"])
    assert "argument --seed: 0 is the least" in capsys.readouterr().err


def test_a_policy_that_cannot_be_read_is_refused_from_a_worker_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run(tmp_path / "a", VGA)
    (run / "checkpoints" / "policy.safetensors").write_bytes(b"not weights")
    for workers in ("1", "2"):
        assert main([str(run), "--task", VGA, "--workers", workers]) == 2
        assert "cannot load the policy" in capsys.readouterr().err


def test_the_stack_evaluates_without_ros_too(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_ros = processes.folder / "no_ros"
    for module in ("rclpy", "rosidl_runtime_py"):
        (no_ros / module).mkdir(parents=True)
        (no_ros / module / "__init__.py").write_text("raise ImportError('there is no ROS here')\n")
    monkeypatch.setenv("PYTHONPATH", str(no_ros), prepend=os.pathsep)
    run = trained_run(processes.folder / "runs" / "a", VGA)
    words = {"name": "a", "task": "connector/seen", "episodes": 1, "evaluation": "quick"}
    stack = processes.stack("evaluate", video=True, **words, transport="direct", workers=2)
    expect_exit(stack)
    output = stack.log.read_text()
    assert "connector/usb_a" in output and "/3 succeeded" in output and "seen" in output
    folder = run / "evaluations" / "quick"
    assert len(records(run, "quick")) == 3
    assert (folder / "videos" / "evaluation.mp4").stat().st_size > 10_000
    assert not (folder / "bags").exists()
