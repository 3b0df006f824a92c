# SPDX-License-Identifier: Apache-2.0
"""What a run leaves for people: `summary.json`, the learning curve, a video of the evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import matplotlib
import numpy as np
from scipy.stats import binomtest

from rldg_rl.actor import DEMONSTRATION, EVALUATION, POLICY
from rldg_rl.collection import Collection
from rldg_rl.run_folder import RunFolder, write_atomically
from rldg_rl.schedule import WINDOW, Progress, autonomous_success, mean_seconds
from rldg_robot.bag_reader import EpisodeSummary, images, messages_of, nearest
from rldg_robot.contract import JOINT_STATES, STEP, WRIST_IMAGE
from rldg_robot.film import Film
from rldg_robot.message_values import nanoseconds
from rldg_robot.task import load_task

matplotlib.use("agg")
from matplotlib import pyplot as plt

FILMED_EPISODES = 6
VIDEO_SIZE = 384
PAUSE_FRAMES = 8


def summarize_run(
    seed: int, progress: Progress, updates: int, wall_seconds: float
) -> dict[str, Any]:
    """The contents of summary.json. Times in seconds; `ci95` is the Wilson interval of the success rate."""
    return {
        "task": progress.task,
        "seed": seed,
        "steps": progress.steps,
        "updates": updates,
        "demos": progress.demos,
        "interventions": progress.interventions,
        "wall_seconds": round(wall_seconds, 1),
        "sim_seconds": round(progress.seconds, 1),
        "evaluation": _outcomes(progress.finished(EVALUATION)),
        "demo_cycle_seconds": _rounded(mean_seconds(progress.episodes[DEMONSTRATION])),
    }


def summarize_collection(seed: int, collection: Collection, wall_seconds: float) -> dict[str, Any]:
    """The contents of summary.json of a collection; `tasks` says of each how its episodes went."""
    return {
        "source": collection.plan.source,
        "seed": seed,
        "collected": collection.counts()["collected"],
        "wall_seconds": round(wall_seconds, 1),
        "sim_seconds": round(collection.seconds, 1),
        "tasks": {task: _outcomes(collection.of(task)) for task in collection.plan.tasks},
    }


def _outcomes(episodes: list[EpisodeSummary]) -> dict[str, Any]:
    successes = sum(e.status == "success" for e in episodes)
    return {
        "episodes": len(episodes),
        "successes": successes,
        "success_rate": successes / len(episodes) if episodes else None,
        "ci95": wilson(successes, len(episodes)),
        "mean_cycle_seconds": _rounded(mean_seconds(episodes)),
    }


def wilson(successes: int, episodes: int) -> list[float]:
    """95 % Wilson interval of a success rate; nothing known: [0, 1]."""
    if episodes == 0:
        return [0.0, 1.0]
    interval = binomtest(successes, episodes).proportion_ci(0.95, method="wilson")
    return [round(float(interval.low), 4), round(float(interval.high), 4)]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def report_run(
    run: RunFolder, progress: Progress, seed: int, updates: int, wall_seconds: float
) -> None:
    """Write what came of a training or an evaluation; the summary first, lest a picture fail before it is there."""
    summary = summarize_run(seed, progress, updates, wall_seconds)
    write_atomically(run.summary, json.dumps(summary, indent=2) + "\n")
    if progress.episodes[POLICY]:
        draw_learning_curve(run.path / "learning_curve.png", summary, progress)
    write_video(run, "evaluation.mp4", progress.finished(EVALUATION)[:FILMED_EPISODES])


def note_evaluation(student: RunFolder, evaluation: RunFolder) -> None:
    """Add an evaluation to a student's `summary.json`: the last one, as in a training's, and the last of every task."""
    found = json.loads(evaluation.summary.read_text())
    summary = json.loads(student.summary.read_text()) if student.summary.is_file() else {}
    summary["evaluation"] = found["evaluation"]
    summary.setdefault("evaluations", {})[found["task"]] = found["evaluation"]
    write_atomically(student.summary, json.dumps(summary, indent=2) + "\n")


def report_collection(
    run: RunFolder, collection: Collection, seed: int, wall_seconds: float
) -> None:
    """Write what was collected, and film the first successes of every task."""
    summary = summarize_collection(seed, collection, wall_seconds)
    write_atomically(run.summary, json.dumps(summary, indent=2) + "\n")
    each = max(FILMED_EPISODES // len(collection.plan.tasks), 1)
    filmed = []
    for task in collection.plan.tasks:
        filmed += [e for e in collection.of(task) if e.status == "success"][:each]
    write_video(run, "collection.mp4", filmed)


def draw_learning_curve(path: Path, summary: dict[str, Any], progress: Progress) -> None:
    """Success and cycle time over training steps, demonstrations and evaluation beside them."""
    episodes = progress.finished(POLICY)
    steps = np.cumsum([e.steps for e in episodes])
    success = np.array([autonomous_success(e) for e in episodes], float)
    rolling = [success[max(0, i - WINDOW + 1) : i + 1].mean() for i in range(len(success))]
    figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
    above.plot(steps, 100 * np.array(rolling), label=f"training, last {WINDOW} episodes")
    rate = summary["evaluation"]["success_rate"]
    if rate is not None:
        low, high = summary["evaluation"]["ci95"]
        above.errorbar(
            [steps[-1]],
            [100 * rate],
            [[100 * (rate - low)], [100 * (high - rate)]],
            fmt="o",
            capsize=4,
            label="evaluation, 95 % interval",
        )
    above.set(ylabel="success without help [%]", ylim=(-3, 103), title=progress.task)
    above.legend(loc="lower right")
    won = [e.status == "success" for e in episodes]
    below.plot(steps[won], [e.seconds for e in episodes if e.status == "success"], ".", ms=4)
    if summary["demo_cycle_seconds"]:
        below.axhline(summary["demo_cycle_seconds"], ls="--", c="0.4", label="demonstrations, mean")
        below.legend()
    below.set(xlabel="training steps", ylabel="time to success [s]", ylim=(0, None))
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_video(run: RunFolder, name: str, episodes: list[EpisodeSummary]) -> None:
    """Film of episodes at real speed: the scene from outside, beside what the wrist camera saw."""
    if not episodes:
        return
    films = {e.task: Film(load_task(e.task), size=VIDEO_SIZE, shadows=False) for e in episodes}
    rate = load_task(episodes[0].task).control_rate
    writer: Any = imageio.get_writer(run.videos / name, fps=rate, macro_block_size=2)
    with writer:
        for episode in episodes:
            frames = list(_frames(films[episode.task], run.bags / episode.episode_id))
            for frame in frames + frames[-1:] * PAUSE_FRAMES:
                writer.append_data(frame)


def _frames(film: Film, bag: Path) -> Iterator[np.ndarray]:
    joints = {nanoseconds(m.header.stamp): m.position for m in messages_of(bag, JOINT_STATES)}
    seen = images(bag, WRIST_IMAGE)
    steps = messages_of(bag, STEP)
    moments = [(nanoseconds(s.state_stamp), nanoseconds(s.image_stamp)) for s in steps]
    moments += [
        (nanoseconds(s.next_state_stamp), nanoseconds(s.next_image_stamp)) for s in steps[-1:]
    ]
    for state, image in moments:
        scene = film.frame(np.asarray(nearest(joints, state)))
        yield np.hstack([scene, _enlarge(nearest(seen, image), scene.shape[0])])


def _enlarge(image: np.ndarray, size: int) -> np.ndarray:
    rows = np.arange(size) * image.shape[0] // size
    columns = np.arange(size) * image.shape[1] // size
    return image[rows][:, columns]
