# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are pictures for a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from rldg_core.bags.bag_reader import typestore
from rldg_core.contract import WRIST_IMAGE
from rldg_core.files.picture import BadPicture
from rldg_core.image_message import colours, is_depth
from rldg_distill.datasets import image_codec
from rldg_distill.datasets.episode import BadBag
from rldg_distill.datasets.image_codec import IMAGE_TYPES
from rldg_distill.recordings.bag_storage import damage_as_bad_bag, messages, topics
from rldg_distill.recordings.foreign.foreign_bag import ForeignBag

LOOKS = 10
"""pictures of a bag that are tried until one tells its size"""


@damage_as_bad_bag()
def image_topics(path: Path) -> tuple[set[str], dict[str, str]]:
    """A bag's topics of colour images, and why others of images are left out.

    Raises:
        BadBag: it cannot be read.
    """
    kinds = {name: info.type for name, info in topics(path).items() if info.type in IMAGE_TYPES}
    left_out = {}
    for name in kinds:
        raw = name.removesuffix("/compressed")
        if raw != name and raw in kinds:
            left_out[name] = f"the same as {raw}"
    unseen = set(kinds) - set(left_out)
    colour = set()
    for name, _, cdr in messages(path, frozenset(unseen)):
        if name in unseen:
            unseen.remove(name)
            reason = _no_colours(typestore().deserialize_cdr(cdr, kinds[name]))
            if reason:
                left_out[name] = reason
            else:
                colour.add(name)
        if not unseen:
            break
    return colour, left_out


def _no_colours(message: Any) -> str:
    """Why a topic that begins with this message is no camera of colours; empty: it is one."""
    try:
        colours(message)
    except BadPicture as error:
        return "depth" if is_depth(message) else str(error)
    return ""


def camera_topics(path: Path, recording: ForeignBag | None) -> tuple[set[str], dict[str, str]]:
    """The same, with the policy's camera under the name that the robot contract gives it.

    Raises:
        BadBag: it cannot be read.
    """
    colour, left_out = image_topics(path)
    if recording is None:
        return colour, left_out
    own = recording.topics[WRIST_IMAGE.name]
    raw = own.removesuffix("/compressed")
    for twin in {raw, f"{raw}/compressed"} & {*colour, *left_out} - {own}:
        left_out[twin] = f"the same as {own}"
    left_out.pop(own, None)
    return (colour - {own, *left_out}) | {WRIST_IMAGE.name}, left_out


def more_cameras(
    recordings: Mapping[Path, ForeignBag], known: Collection[str]
) -> tuple[set[str], dict[str, str]]:
    """Topics of colour images of bags made elsewhere beside the known ones, and why others of images are left out.

    Which bag is the first must not decide whether a camera is one. Bags that cannot be read have none: whoever converts
    them says what is wrong.
    """
    found: set[str] = set()
    left_out: dict[str, str] = {}
    for path, recording in recordings.items():
        with suppress(BadBag):
            there = {name for name, info in topics(path).items() if info.type in IMAGE_TYPES}
            if there - {recording.topics[WRIST_IMAGE.name], *known, *found, *left_out}:
                colour, why = camera_topics(path, recording)
                found |= colour - set(known)
                left_out |= {name: reason for name, reason in why.items() if name not in known}
    return found, {name: reason for name, reason in left_out.items() if name not in found}


def first_size(bag: Path, topic: str) -> tuple[int, int] | None:
    """(H, W) of a topic's pictures, as the first of them tell; None where none can be read."""
    with suppress(BadBag):
        return _first_size(bag, topic)
    return None


@damage_as_bad_bag()
def _first_size(bag: Path, topic: str) -> tuple[int, int] | None:
    there = topics(bag)
    if topic not in there:
        return None
    for _, _, cdr in islice(messages(bag, [topic]), LOOKS):
        with suppress(BadPicture):
            return image_codec.size_of(typestore().deserialize_cdr(cdr, there[topic].type))
    return None


def unlike(names: Iterable[str], bags: Sequence[Path]) -> dict[str, str]:
    """Topics whose pictures are not alike in most bags, and in how many they are: a dataset wants one size."""
    found = {}
    for topic in names:
        sizes = Counter(size for bag in bags if (size := first_size(bag, topic)))
        if max(sizes.values(), default=0) * 2 <= len(bags):
            shapes = [f"{width}x{height} in {n}" for (height, width), n in sorted(sizes.items())]
            found[topic] = (
                f"not alike in most of {len(bags)} bags: {', '.join(shapes) or 'in none'}"
            )
    return found
