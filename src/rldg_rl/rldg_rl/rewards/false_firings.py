# SPDX-License-Identifier: Apache-2.0
"""Where a reward classifier fired although the task was not done: what a person said no to, at once or afterwards.

At once: in a run with `confirm:=true` the answers are in the bags. Afterwards: an episode that the classifier ended
shows in its last image why, and `./rldg classifier review` puts those on a sheet. What the twin knows is not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.bags.bag_reader import images, messages_of, nearest
from rldg_core.contract import ANSWER, STEP, WRIST_IMAGE
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import read_json, read_yaml
from rldg_core.files.safe_name import check_name
from rldg_core.message_values import SECOND, nanoseconds
from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.rewards.judge import CLASSIFIER, said_by
from rldg_rl.rewards.reward_classifier import IN_A_ROW, Label
from rldg_rl.run_folder import RunFolder


@dataclass(frozen=True)
class Firing:
    """An episode that the classifier ended without asking a person."""

    episode: str
    images: list[np.ndarray]
    """the IN_A_ROW images (H, W, 3) that looked done, the last one last"""


@dataclass(frozen=True)
class Review:
    """What a person said afterwards."""

    false: tuple[str, ...]
    """episodes that were not done when the classifier said so"""

    def __post_init__(self) -> None:
        for name in self.false:
            check_name(name, "an episode")


def firings(run: RunFolder, task: Task) -> list[Firing]:
    """Every episode of a run that its classifier ended.

    Raises:
        UserError: the run's reward was no classifier's, or a person confirmed it.
    """
    source = _reward_source(run)
    if source != CLASSIFIER:
        raise UserError(
            f"{run.path}: the reward was said by {source or 'no one'}; "
            "a review is of what reward:=classifier said alone"
        )
    ended = [
        episode.episode_id for episode in run.episodes() if episode.status == EpisodeStatus.SUCCESS
    ]
    return [Firing(name, _last_images(run.bags / name, task)) for name in ended]


def _reward_source(run: RunFolder) -> str:
    return str(_config(run).get("reward", ""))


def _config(run: RunFolder) -> dict[str, Any]:
    path = run.config
    return read_yaml(path, dict[str, Any]) if path.is_file() else {}


def _last_images(bag: Path, task: Task) -> list[np.ndarray]:
    return [step.after.image for step in recorded_steps(bag, task, looks=True)][-IN_A_ROW:]


def mark_false(run: RunFolder, fired: Collection[Firing], numbers: Collection[int]) -> None:
    """Keep which of a run's firings a person found to be false, as numbered on the sheet, from 1.

    Raises:
        UserError: there is no such number.
    """
    names = [firing.episode for firing in fired]
    if wrong := sorted(set(numbers) - set(range(1, len(names) + 1))):
        raise UserError(f"there is no image {wrong[0]}: they are numbered 1 to {len(names)}")
    review = Review(tuple(names[number - 1] for number in sorted(numbers)))
    write_atomically(run.false_firings, json.dumps(asdict(review), indent=2) + "\n")


def mined(run: RunFolder, task: Task) -> list[Label]:
    """Negatives: the images of all firings of a run that a person called false.

    Raises:
        UserError: it is of another task, or no person was asked, neither at once nor afterwards.
    """
    review = run.false_firings
    if _config(run).get("task") != task.id:
        raise UserError(f"{run.path} says nothing of {task.id}: it is no run of that task")
    if _reward_source(run) == said_by(CLASSIFIER, confirmed=True):
        bags = [run.bags / episode.episode_id for episode in run.episodes()]
        found = {bag.name: _refused(bag, task) for bag in bags}
    elif review.is_file():
        names = read_json(
            review, Review, fix=f"Review again: ./rldg classifier review {run.path}"
        ).false
        found = {name: _last_images(run.bags / name, task) for name in names}
    else:
        raise UserError(
            f"no person has said where the classifier was wrong in {run.path}: ./rldg classifier review {run.path}, "
            "or train with reward:=classifier confirm:=true"
        )
    return [
        Label(image, done=False, episode=f"{run.path.name}/{name}", seconds=0.0)
        for name, looks_done in found.items()
        for image in looks_done
    ]


def _refused(bag: Path, task: Task) -> list[np.ndarray]:
    """The images that looked done when a person said no."""
    steps = [step for step in messages_of(bag, STEP) if step.episode_id == bag.name]
    if not steps:
        return []
    start, period = nanoseconds(steps[0].state_stamp), int(SECOND * task.period)
    answers = [(nanoseconds(said.header.stamp), said.yes) for said in messages_of(bag, ANSWER)]
    # After the start: a bag begins with the last word of before. Once each: an answer may be given again.
    refused = sorted({stamp for stamp, yes in answers if stamp > start and not yes})
    if not refused:
        return []
    pictures = images(bag, WRIST_IMAGE)
    looked = [stamp - back * period for stamp in refused for back in reversed(range(IN_A_ROW))]
    return [nearest(pictures, stamp) for stamp in looked if stamp >= start]
