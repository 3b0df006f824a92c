# SPDX-License-Identifier: Apache-2.0
"""A dataset to look at: a contact sheet and a video."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from rldg_core.files.picture import BadPicture
from rldg_core.files.video_file import video_writer
from rldg_core.vocabulary import EpisodeStatus
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.rlds import Dataset

COLUMNS = 8
TILE = 128  # [pixel]
LABEL = 14  # [pixel]


def chosen(dataset: Dataset, split: str, count: int) -> list[Episode]:
    """The first episodes of a split; they are in random order."""
    return list(islice(dataset.episodes(split), count))


def tile(episode: Episode, camera: str, step: int, size: int = TILE) -> Image.Image:
    """A step's image as a square.

    Raises:
        BadPicture: it is none; the message says where it is.
    """
    try:
        pixels = image_codec.decode(episode.images[camera][step])
    except BadPicture as error:
        raise BadPicture(f"{episode.metadata.bag} step {step}: {camera} is {error}") from error
    return Image.fromarray(pixels).resize((size, size))


def contact_sheet(path: Path, episodes: list[Episode], camera: str) -> None:
    """One row per episode: frames from its first to its last, above them what it is."""
    sheet = Image.new("RGB", (COLUMNS * TILE, len(episodes) * (TILE + LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, episode in enumerate(episodes):
        top = row * (TILE + LABEL)
        draw.text((2, top + 1), title(episode), fill="black")
        for column, step in enumerate(
            np.linspace(0, len(episode) - 1, COLUMNS).round().astype(int)
        ):
            sheet.paste(tile(episode, camera, step), (column * TILE, top + LABEL))
    sheet.save(path)


def title(episode: Episode) -> str:
    """An episode in one line."""
    metadata = episode.metadata
    outcome = EpisodeStatus.SUCCESS if metadata.success else EpisodeStatus.FAILURE
    parts = (metadata.bag, metadata.task_id, metadata.source, outcome, f"{len(episode)} steps")
    return "  ".join((*parts, f"'{episode.instruction[0]}'"))


def video(path: Path, episodes: list[Episode], camera: str, rate: float, size: int = 384) -> None:
    """The episodes one after the other at their own speed, each under its title."""
    with video_writer(path, rate) as writer:
        for episode in episodes:
            for index in range(len(episode)):
                frame = Image.new("RGB", (size, size + 2 * LABEL), "white")
                frame.paste(tile(episode, camera, index, size), (0, 2 * LABEL))
                draw = ImageDraw.Draw(frame)
                draw.text((2, 1), f"{episode.metadata.bag}  step {index}", fill="black")
                draw.text(
                    (2, 1 + LABEL),
                    np.array2string(episode.action[index], precision=3),
                    fill="black",
                )
                writer.append_data(np.asarray(frame))
