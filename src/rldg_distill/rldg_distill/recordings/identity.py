# SPDX-License-Identifier: Apache-2.0
"""What makes a bag the bag that it is: its messages, not where it lies.

Two days or two machines may name their recordings alike, and one recording may lie in two places, in two storages.
Names are for people, and order bags as long as no two share one. Where they do, and where two bags begin and end at the
same nanosecond with as many messages, a hash of all messages decides.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rldg_core.run_paths import RunPaths
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.bag_storage import every_message, span_of

SHORT = 8
"""digits of a hash that stand behind a name"""


def bag_name(path: Path) -> str:
    """`run/episode` of a bag in `runs/<run>/bags/<episode>`, for people; two bags may have the same."""
    path = path.resolve()
    run = path.parent.parent
    if path.parent != RunPaths(run).bags:
        run = path.parent
    return f"{run.name}/{path.name}"


def name_rank(path: Path) -> str:
    """Hash of a bag's name."""
    return hashlib.sha256(bag_name(path).encode()).hexdigest()


@dataclass(frozen=True)
class Identities:
    """Which of some bags are the same, and what tells apart those of one name."""

    twins: dict[Path, Path]
    """a bag that is there already, under the path of the first"""
    contents: dict[Path, str]
    """hash of the messages of bags that share their name with others"""

    def name(self, path: Path) -> str:
        """A name that no other recording among them has: `run/episode`, with a hash behind it where that is needed."""
        content = self.contents.get(path, "")
        return bag_name(path) + (f"#{content[:SHORT]}" if content else "")


def identify(tasks: Mapping[Path, str]) -> Identities:
    """Tell bags apart. Only those are read that share a name, or span and number of their messages.

    Bags that cannot be read are taken for themselves: whoever converts them says what is wrong.

    Args:
        tasks: of every bag; the same messages stated as two tasks are two recordings.
    """
    by_span: dict[object, list[Path]] = defaultdict(list)
    by_name: dict[str, list[Path]] = defaultdict(list)
    contents: dict[Path, str] = {}
    twins: dict[Path, Path] = {}
    for path, task in tasks.items():
        by_span[_span(path), task].append(path)
    for group in by_span.values():
        first: dict[str, Path] = {}
        for path in group:
            if len(group) > 1:
                contents[path] = _content(path, tasks[path])
                if (same := first.setdefault(contents[path], path)) is not path:
                    twins[path] = same
                    continue
            by_name[bag_name(path)].append(path)
    shared = [path for group in by_name.values() if len(group) > 1 for path in group]
    return Identities(
        twins, {path: contents.get(path) or _content(path, tasks[path]) for path in shared}
    )


def base_name(name: str) -> str:
    """`run/episode` of a name that may have a hash behind it."""
    return name.partition("#")[0]


def _span(path: Path) -> object:
    try:
        return span_of(path)
    except BadBag:
        return path


def _content(path: Path, task: str) -> str:
    try:
        content = content_of(path)
    except BadBag:
        content = str(path)
    return hashlib.sha256(f"{task} {content}".encode()).hexdigest()


def content_of(path: Path) -> str:
    """Hash of all messages of a bag: topics, times and bytes, in whatever storage.

    Raises:
        BadBag: it cannot be read.
    """
    total = hashlib.sha256()
    for topic, time, data in every_message(path):
        about = topic.encode()
        total.update(struct.pack("<IqI", len(about), time, len(data)) + about + data)
    return total.hexdigest()
