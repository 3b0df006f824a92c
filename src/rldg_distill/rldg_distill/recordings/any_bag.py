# SPDX-License-Identifier: Apache-2.0
"""The episode of a bag, whoever recorded it."""

from __future__ import annotations

from pathlib import Path

from rldg_core.message_values import SECOND
from rldg_core.task import load_task
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.plausibility import implausible
from rldg_distill.recordings.bag_storage import damage_as_bad_bag
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts, is_foreign
from rldg_distill.recordings.foreign.foreign_episode import read_foreign
from rldg_distill.recordings.foreign.view import PictureConversion
from rldg_distill.recordings.own.own_episode import read_episode


@damage_as_bad_bag()
def read_bag(
    path: Path,
    image_format: ImageFormat,
    cameras: dict[str, str],
    stated: StatedFacts,
    view: PictureConversion | None = None,
) -> Episode:
    """The episode of a bag, whoever made it.

    Args:
        path: the bag's folder.
        image_format: of the images.
        cameras: feature by image topic.
        stated: about bags made elsewhere.
        view: of their policy camera; None: its pictures stay as they are.

    Raises:
        BadBag: it cannot be converted.
    """
    if is_foreign(path):
        episode = read_foreign(path, image_format, cameras, stated, view)
    else:
        episode = read_episode(path, image_format, cameras)
    period = SECOND / load_task(episode.metadata.task_id).control_rate
    for what in implausible(episode, period):
        raise BadBag(what)
    return episode
