# SPDX-License-Identifier: Apache-2.0
"""What a run leaves for people: `summary.json`, the learning curve, videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import read_json
from rldg_core.task import load_task
from rldg_core.vocabulary import EpisodeStatus, Source
from rldg_rl.acting.collection import Collection
from rldg_rl.acting.schedule import WINDOW, Logbook, RunProgress, autonomous_success, mean_seconds
from rldg_rl.environment.reset_count import summarize_resets
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.evaluation.conditions import conditions_of
from rldg_rl.evaluation.results import (
    FILMED_EPISODES,
    Record,
    RecordFile,
    rate,
    summarize_records,
    worth_filming,
)
from rldg_rl.run_folder import RunFolder


def summarize_run(
    seed: int,
    progress: RunProgress,
    records: Sequence[Record],
    updates: int,
    wall_seconds: float,
    perturb: str = "",
) -> dict[str, Any]:
    """The contents of summary.json. Times in seconds; of the evaluation what `results.judge` says."""
    return {
        "task": ",".join(progress.plan.tasks),
        "seed": seed,
        "perturb": perturb or None,
        "steps": progress.steps,
        "updates": updates,
        "demos": progress.demos,
        "interventions": progress.interventions,
        "wall_seconds": round(wall_seconds, 1),
        "sim_seconds": round(progress.seconds, 1),
        **summarize_records(records),
        "demo_cycle_seconds": _rounded(mean_seconds(progress.episodes[Source.DEMONSTRATION])),
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
    successes = sum(e.status == EpisodeStatus.SUCCESS for e in episodes)
    return {
        **rate(successes, len(episodes)),
        "mean_cycle_seconds": _rounded(mean_seconds(episodes)),
        "led_in": sum(e.lead_in > 0 for e in episodes),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def report_run(
    run: RunFolder,
    progress: RunProgress,
    seed: int,
    updates: int,
    wall_seconds: float,
    perturb: str = "",
    reward: str = "twin",
    video: bool = True,
) -> None:
    """Write what came of a training or an evaluation; the summary first, lest a picture fail before it is there."""
    records = finished_records(run, progress)
    summary = summarize_run(seed, progress, records, updates, wall_seconds, perturb)
    summary |= judged_by(run, progress, reward) | summarize_resets(run)
    write_atomically(run.summary, json.dumps(summary, indent=2) + "\n")
    if progress.finished(Source.POLICY):
        draw_learning_curve(run.path / "learning_curve.png", summary, progress)
    if video:
        filmed = [(record.task, record.bag) for record in worth_filming(records)]
        film_episodes(run, "evaluation.mp4", filmed)


def judged_by(run: RunFolder, logbook: Logbook, reward: str) -> dict[str, Any]:
    """Where another than the twin said when it was done: who, and how that agrees with the twin over all episodes.

    `wrongly` done are episodes that ended as a success while the task was not done, `missed` those that did not and in
    which it once was.
    """
    if reward == "twin":
        return {}
    counts = {"episodes": 0, "wrongly": 0, "missed": 0}
    for episode in (
        e for some in logbook.episodes.values() for e in some if e.status != EpisodeStatus.ABORTED
    ):
        # After its steps: a bag holds the last word of before, and on a busy machine the first of the next reset.
        steps = recorded_steps(run.bags / episode.episode_id, load_task(episode.task))
        truth = [step.after.success for step in steps]
        if not truth:  # of a damaged bag
            continue
        counts["episodes"] += 1
        counts["wrongly"] += episode.status == EpisodeStatus.SUCCESS and not truth[-1]
        counts["missed"] += episode.status != EpisodeStatus.SUCCESS and any(truth)
    return {"reward": {"source": reward, **counts}}


def finished_records(run: RunFolder, progress: RunProgress) -> list[Record]:
    """Of the evaluation episodes whose bags were closed: a kill may have come in between."""
    finished = {episode.episode_id for episode in progress.finished(Source.EVALUATION)}
    return [record for record in RecordFile(run.records).read() if record.bag in finished]


def note_evaluation(student: RunFolder, evaluation: RunFolder) -> None:
    """Add an evaluation to a student's `summary.json`: the last one, as in a training's, and the last of every task;
    of the nominal world alone.
    """
    if not conditions_of(evaluation).nominal:
        return
    found = read_json(evaluation.summary, dict[str, Any])
    fix = "The evaluation's own summary is whole: repair or delete this one, and start the evaluation again"
    kept = student.summary.exists()
    summary = read_json(student.summary, dict[str, Any], fix=fix) if kept else {}
    summary["evaluation"] = found["evaluation"]
    of_tasks = found.get("evaluations", {found["task"]: found["evaluation"]})
    summary["evaluations"] = summary.get("evaluations", {}) | of_tasks
    write_atomically(student.summary, json.dumps(summary, indent=2) + "\n")


def report_collection(
    run: RunFolder,
    collection: Collection,
    seed: int,
    wall_seconds: float,
    reward: str = "twin",
    video: bool = True,
) -> None:
    """Write what was collected, and film the first episodes of every task that count."""
    summary = summarize_collection(seed, collection, wall_seconds)
    summary |= judged_by(run, collection, reward) | summarize_resets(run)
    write_atomically(run.summary, json.dumps(summary, indent=2) + "\n")
    if video:
        film_episodes(run, "collection.mp4", first_counted(collection))


def first_counted(collection: Collection) -> list[tuple[str, str]]:
    """Task and bag of the first episodes that count, of every task equally many."""
    each = max(FILMED_EPISODES // len(collection.plan.tasks), 1)
    first = (collection.counted(task)[:each] for task in collection.plan.tasks)
    return [(episode.task, episode.episode_id) for episodes in first for episode in episodes]


def film_episodes(run: RunFolder, name: str, episodes: Sequence[tuple[str, str]]) -> None:
    """Film episodes, each a task and a bag, unless that was done since the last of them ended: it takes seconds."""
    # A run that films nothing loads no renderer.
    from rldg_rl.video import bag_clip, write_video  # noqa: PLC0415

    video = run.videos / name
    ends = [(run.bags / bag / "metadata.yaml").stat().st_mtime for _, bag in episodes]
    if ends and video.is_file() and video.stat().st_mtime > max(ends):
        return
    write_video(video, [bag_clip(task, run.bags / bag) for task, bag in episodes])


def _rolling(values: np.ndarray) -> np.ndarray:
    """Mean of the last WINDOW at every place."""
    return np.array([values[max(0, i - WINDOW + 1) : i + 1].mean() for i in range(len(values))])


def draw_learning_curve(path: Path, summary: dict[str, Any], progress: RunProgress) -> None:
    """Success, cycle time and a person's help over training steps, demonstrations and evaluation beside them."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - no start waits for what only an end needs

    episodes = progress.finished(Source.POLICY)
    steps = np.cumsum([e.own_steps for e in episodes])
    success = np.array([autonomous_success(e) for e in episodes], float)
    helped = np.array([e.interventions / max(e.own_steps, 1) for e in episodes])
    figure = Figure(figsize=(7, 7.5), layout="constrained")
    above, below, help_ = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    above.plot(steps, 100 * _rolling(success), label=f"training, last {WINDOW} episodes")
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
    won = [e.status == EpisodeStatus.SUCCESS for e in episodes]
    below.plot(
        steps[won], [e.seconds for e in episodes if e.status == EpisodeStatus.SUCCESS], ".", ms=4
    )
    if summary["demo_cycle_seconds"]:
        below.axhline(summary["demo_cycle_seconds"], ls="--", c="0.4", label="demonstrations, mean")
        below.legend()
    below.set(ylabel="time to success [s]", ylim=(0, None))
    help_.plot(steps, 100 * helped, ".", ms=4, c="0.7")
    help_.plot(steps, 100 * _rolling(helped), label=f"last {WINDOW} episodes")
    help_.set(xlabel="training steps", ylabel="by a person [% of steps]", ylim=(-3, 103))
    help_.legend(loc="upper right")
    for axes in (above, below, help_):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
