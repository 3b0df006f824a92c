# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself in the end, and on the way."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from test_bag import PERIOD, START, STEPS, encode, header, message, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.task import load_task
from rldg_core.vocabulary import Source
from rldg_rl.acting.collection import Collection, CollectionPlan
from rldg_rl.acting.pace import StepRate
from rldg_rl.acting.schedule import RunPlan, RunProgress
from rldg_rl.evaluation.results import Record
from rldg_rl.monitor import MonitorState, line, minutes_seconds, outcome, render
from rldg_rl.report import (
    draw_learning_curve,
    film_episodes,
    judged_by,
    note_evaluation,
    report_run,
    summarize_collection,
    summarize_run,
)
from rldg_rl.run_folder import RunFolder
from rldg_rl.video import EpisodeClip

TASK = load_task("connector/vga")


def progress() -> RunProgress:
    def episode(source: str, status: str, steps: int, by_hand: int = 0) -> EpisodeSummary:
        return EpisodeSummary("x_0", source, status, TASK.id, 0, steps, by_hand, steps / 10)

    return RunProgress(
        RunPlan((TASK.id,), demos=2),
        [
            *[episode(Source.DEMONSTRATION, "success", 40)] * 2,
            episode(Source.DEMONSTRATION, "failure", 100),
            *[episode(Source.POLICY, "failure", 100, 20)] * 3,
            *[episode(Source.POLICY, "success", 15)] * 10,
            *[episode(Source.EVALUATION, "success", 12)] * 19,
            episode(Source.EVALUATION, "failure", 100),
        ],
    )


def records() -> list[Record]:
    """Of its evaluation."""
    won = [Record(TASK.id, n, n, True, 1.2, 12, 10.0 + n, 0.5, None) for n in range(19)]
    return [*won, Record(TASK.id, 19, 19, False, 10.0, 100, 40.0, 2.0, "stuck pressing")]


def test_the_summary_has_every_figure() -> None:
    summary = summarize_run(3, progress(), records(), 900, wall_seconds=61.26, perturb="noise:1mm")
    assert summary == {
        "task": "connector/vga",
        "seed": 3,
        "perturb": "noise:1mm",
        "steps": 450,
        "updates": 900,
        "demos": 2,
        "interventions": 60,
        "wall_seconds": 61.3,
        "sim_seconds": pytest.approx(95.8),
        "evaluation": {
            "episodes": 20,
            "successes": 19,
            "success_rate": 0.95,
            "ci95": [pytest.approx(0.7639, abs=1e-3), pytest.approx(0.9911, abs=1e-3)],
            "mean_cycle_seconds": 1.2,
            "successes_per_10_minutes": {
                "value": pytest.approx(600 * 19 / (19 * 1.2 + 10.0 + 20 * 1.5), abs=1e-3),
                "ci95": [pytest.approx(112.947, abs=1e-3), pytest.approx(250.110, abs=1e-3)],
            },
            "peak_force_per_success": {
                "value": 19.0,
                "ci95": [pytest.approx(16.47, abs=1e-2), pytest.approx(21.53, abs=1e-2)],
            },
            "peak_force": {"median": 19.5, "p95": pytest.approx(28.6)},
            "peak_torque": {"median": 0.5, "p95": pytest.approx(0.575)},
            "failures": {"stuck pressing": 1},
            "led_in": 0,
        },
        "demo_cycle_seconds": 4.0,
    }


@pytest.mark.parametrize("off", [{"randomize": True}, {"perturb": "light:0.5"}])
def test_only_the_nominal_world_is_noted_of_a_student(tmp_path: Path, off: dict) -> None:
    student = RunFolder(tmp_path)
    for config, successes in (({"randomize": None, "perturb": None}, 19), (off, 3)):
        evaluation = RunFolder(tmp_path / f"evaluation_{successes}")
        evaluation.path.mkdir()
        (evaluation.path / "config.yaml").write_text(yaml.safe_dump(config))
        found = {"task": TASK.id, "evaluation": {"successes": successes}}
        evaluation.summary.write_text(json.dumps(found))
        note_evaluation(student, evaluation)
    noted = json.loads(student.summary.read_text())
    assert noted["evaluation"] == noted["evaluations"][TASK.id] == {"successes": 19}


def test_the_learning_curve_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    draw_learning_curve(path, summarize_run(0, progress(), records(), 0, 0.0), progress())
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5_000


def test_a_training_without_a_finished_episode_is_reported_without_a_curve(tmp_path: Path) -> None:
    aborted = EpisodeSummary("policy_00000", Source.POLICY, "aborted", TASK.id, 0, 9, 0, 0.9)
    run = RunFolder(tmp_path)
    run.prepare()
    report_run(run, RunProgress(RunPlan((TASK.id,), demos=0), [aborted]), 0, 0, 1.0)
    assert json.loads(run.summary.read_text())["steps"] == 9
    assert not (tmp_path / "learning_curve.png").exists()


def test_episodes_are_filmed_again_only_where_there_is_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filmed = []

    def draw(path: Path, clips: list[EpisodeClip]) -> None:
        filmed.append(len(clips))
        time.sleep(0.02)  # a file's time has steps of some milliseconds
        path.write_bytes(b"")

    monkeypatch.setattr("rldg_rl.video.write_video", draw)
    run = RunFolder(tmp_path)
    run.prepare()
    episodes = []
    for name in ("evaluation_00000", "evaluation_00001"):
        write_episode(run.bags / name)
        episodes.append((TASK.id, name))
        for _ in range(2):
            film_episodes(run, "evaluation.mp4", episodes)
    assert filmed == [1, 2]


def test_the_view_shows_where_a_run_stands() -> None:
    scene = MonitorState("mine", "connector/vga", "training", 20, 20, 400, 8000, success_rate=0.5)
    scene.gate, scene.cycle_seconds = "emergency stop", 1.25
    scene.interventions, scene.updates, scene.seconds_left = 12345, 1234567, 12345.0
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(scene))
    text = console.export_text()
    for words in ("mine", "training", "400/8000", "50 %", "emergency stop"):
        assert words in text
    assert "…" not in text, "everything fits"
    assert "training 400/8000" in line(scene) and "emergency stop" in line(scene)
    assert minutes_seconds(125.0) == "2:05"


def test_the_view_shows_whom_it_waits_for_in_full() -> None:
    whom = "waiting for the person at ./rldg run rldg_rl keyboard"
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(
        render(MonitorState("connector_vga_20261121_153000", "connector/vga", demos=20, note=whom))
    )
    assert whom in console.export_text()


def test_the_view_shows_how_much_a_person_helped_and_what_the_learner_waits_for() -> None:
    scene = MonitorState("mine", "connector/vga", "training", steps_wanted=8000)
    scene.by_hand, scene.learner = (1.0, 0.5, 0.07, 0.0), "no step came for 5 s"
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(scene))
    text = console.export_text()
    assert "person's share █▅▁· 0 %" in text and "no step came" in text
    assert "learner: no step came for 5 s" in line(scene)


def test_the_panel_says_what_a_person_has_to_see_to() -> None:
    attention = (
        "The arm is not at its start: it did not get up in 3.0 s. Free it, then: "
        "./rldg run rldg_robot gate reset"
    )
    scene = MonitorState("mine", "connector/vga", reset_seconds=1.44, attention=attention)
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(scene))
    shown = " ".join(console.export_text().replace("│", " ").split())
    assert attention in shown and "reset 1.4 s" in shown
    assert attention in line(scene) and "reset 1.4 s" in line(scene)


@pytest.mark.parametrize("successes", [19, 0])
def test_the_table_at_the_end(tmp_path: Path, successes: int) -> None:
    summary = summarize_run(0, progress(), records(), 900, 60.0)
    if not successes:
        summary["evaluation"] |= {"successes": 0, "success_rate": 0.0, "mean_cycle_seconds": None}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(outcome(tmp_path))
    text = console.export_text()
    assert f"{successes}/20 succeeded" in text
    assert "181.5 (95 % interval" in text and "19.0 (95 % interval 16.5-21.5) N" in text


def test_the_table_of_a_summary_without_throughput_is_shown(tmp_path: Path) -> None:
    """Version 0.1.0 did not keep it."""
    summary = summarize_run(0, progress(), records(), 900, 60.0)
    for name in ("successes_per_10_minutes", "peak_force_per_success"):
        del summary["evaluation"][name]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(outcome(tmp_path))
    text = console.export_text()
    assert "19/20 succeeded" in text and "per 10 minutes" not in text


def test_the_table_says_that_a_person_led_in(tmp_path: Path) -> None:
    summary = summarize_run(0, progress(), [replace(r, lead_in=9) for r in records()], 900, 60.0)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(outcome(tmp_path))
    assert "20 by a person up to the hand-over" in console.export_text()


def test_a_collection_shows_its_own_goal_and_table_only(tmp_path: Path) -> None:
    plan = CollectionPlan(("connector/vga", "connector/usb_a"), Source.POLICY, 4)
    won = [
        EpisodeSummary("x_0", Source.POLICY, "success", task, 0, 12, 0, seconds)
        for task, seconds in (("connector/vga", 1.0), ("connector/vga", 2.0), (plan.tasks[1], 3.0))
    ]
    summary = summarize_collection(5, Collection(plan, won), 12.34)
    assert summary["collected"] == 3 and summary["sim_seconds"] == 6.0
    assert summary["tasks"]["connector/vga"]["mean_cycle_seconds"] == 1.5
    summary["reward"] = {"source": "keyboard", "episodes": 3, "wrongly": 1, "missed": 0}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    scene = MonitorState("mine", collected=3, collected_wanted=4)
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(scene), outcome(tmp_path))
    text = console.export_text()
    assert "3/4" in text and "2 of 2 episodes succeeded, cycle 1.50 s" in text
    assert "./rldg convert" in text and "by keyboard; of 3 episodes 1 wrongly done" in text
    assert "collection 3/4" in line(scene)
    assert not {"updates", "training", "demonstrations"} & set((text + line(scene)).split())


@pytest.mark.parametrize(("status", "wrongly", "missed"), [("success", 0, 0), ("failure", 0, 1)])
def test_a_judge_is_held_against_the_truth_of_its_episode_alone(
    tmp_path: Path, status: str, wrongly: int, missed: int
) -> None:
    """A bag also holds the last state of before, and maybe the first one after the next reset."""
    run = RunFolder(tmp_path)
    run.bags.mkdir()
    writer = write_episode(run.bags / "policy_00000", close=False)
    upright = message("geometry_msgs/msg/Quaternion", w=1.0)
    pose = message("geometry_msgs/msg/Pose", orientation=upright)
    for step, done in ((STEPS, True), (STEPS + 1, False)):
        stamp = START + step * PERIOD
        state = encode(contract.TASK_STATE, header=header(stamp), offset=pose, success=done)
        writer.write(contract.TASK_STATE.name, stamp, state)
    episode = EpisodeSummary("policy_00000", Source.POLICY, status, TASK.id, 0, STEPS, 0, 0.5)
    writer.close(episode)
    collection = Collection(CollectionPlan((TASK.id,), Source.POLICY, 1), [episode])
    found = {"source": "keyboard", "episodes": 1, "wrongly": wrongly, "missed": missed}
    assert judged_by(run, collection, "keyboard") == {"reward": found}
    assert judged_by(run, collection, "twin") == {}


def test_the_pace_knows_nothing_before_the_first_steps() -> None:
    pace = StepRate()
    assert pace.per_second() == 0.0 and pace.seconds_for(100.0) == 0.0
    for _ in range(50):
        pace.count()
    assert pace.per_second() > 0.0 and pace.seconds_for(100.0) > 0.0
