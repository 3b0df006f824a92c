# SPDX-License-Identifier: Apache-2.0
"""The bags below some folders, however deep they lie; and of what looks like one, but is none, what it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from rldg_core.bags.bag_reader import METADATA, in_recorded_order
from rldg_core.commands.command_line import UsageError
from rldg_core.files.regular_file import regular
from rldg_core.message_values import SECOND
from rldg_core.run_paths import bags_below
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.bag_storage import STORAGE, ros1, span_of

DEPTH = 12
"""folders within each other that are looked through"""
MOST = 1_000_000
"""files and folders that are looked at"""
GOES_ON = SECOND // 5
"""[ns] between the last message of a part of a recording and the first of the next: between two takes there is more"""
PACKED = re.compile(r".+\.(mcap|db3|bag)\.\w+|.+\.bag\.active", re.IGNORECASE)
SPLIT = re.compile(r"(.+?)(_\d+)?\.(mcap|db3)(\.(zstd|zst))?", re.IGNORECASE)


@dataclass
class Found:
    """What lies below some paths."""

    bags: list[Path] = field(default_factory=list)
    """folders of bags, and files that are one by themselves"""
    others: dict[Path, str] = field(default_factory=dict)
    """what is no bag that can be read, and what to do about it"""


def find_bags(paths: Iterable[Path]) -> Found:
    """Bags themselves, folders of bags and runs, as a sorted list of bags; a bag that links lead to twice counts once.

    Raises:
        UsageError: a path does not exist, or holds nothing that looks like a bag.
    """
    found: dict[Path, Path] = {}
    others: dict[Path, str] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        below = _below(path)
        if not below.bags and not below.others:
            raise UsageError(f"{path} holds no bags. Give a bag, a folder of bags or a run")
        found |= {bag.resolve(): bag for bag in below.bags}
        others |= below.others
    return Found([found[real] for real in sorted(found)], others)


def _below(path: Path) -> Found:
    found = Found()
    if not path.is_dir():
        parent = path.parent
        if path.name == METADATA or (STORAGE.fullmatch(path.name) and regular(parent / METADATA)):
            found.bags.append(parent)
        else:
            _take(path, found)
        return found
    for folder, files in _folders(bags_below(path), found):
        _look(folder, files, found)
    return found


def _folders(top: Path, found: Found) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder with its files, in alphabetical order; not those that are hidden or within a bag, none twice."""
    seen: set[tuple[int, int]] = set()
    real = top.resolve()
    left = MOST
    layer = [top]
    for _ in range(DEPTH):
        below: list[Path] = []
        for folder in layer:
            about = folder.stat()
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            try:
                entries = sorted(Path(entry) for entry in os.scandir(folder))
            except OSError as error:
                found.others[folder] = f"cannot be looked into: {error.strerror}"
                continue
            left -= len(entries)
            files = [entry for entry in entries if not entry.is_dir()]
            yield folder, files
            # Other programs have files of that name, too: they stand above bags.
            if not (folder / METADATA in files and any(map(_is_stored, files))):
                below += [e for e in entries if _leads_on(e, real)]
        if left < 0:
            raise UsageError(f"{top} holds more than {MOST} files: give the folders of its bags")
        layer = below


def _leads_on(path: Path, top: Path) -> bool:
    """Whether it is a folder to look into; a link may lead elsewhere, but not to where the search came from."""
    if path.name.startswith(".") or not path.is_dir():
        return False
    return not (path.is_symlink() and top.is_relative_to(path.resolve()))


def _is_stored(file: Path) -> bool:
    return bool(STORAGE.fullmatch(file.name))


def _look(folder: Path, files: list[Path], found: Found) -> None:
    """What the files of a folder are."""
    if folder / METADATA in files:
        found.bags.append(folder)
        return
    stored = [file for file in files if _is_stored(file) and regular(file)]
    ours = [file for file in stored if _prefix(file) == folder.name]
    if not ours and _are_parts(stored):
        ours = stored
    if ours:
        found.bags.append(folder)
    for file in files:
        if file not in ours:
            _take(file, found)


def _are_parts(files: list[Path]) -> bool:
    """Whether files are one recording, split, whose folder was renamed and has no metadata: each goes on where the one
    before it ended. By itself, each would be a success of its own.
    """
    if len(files) < 2 or len({_prefix(file) for file in files}) > 1:
        return False
    try:
        spans = pairwise(map(span_of, in_recorded_order(files)))
        return all(a[2] and b[2] and abs(b[0] - a[1]) < GOES_ON for a, b in spans)
    except BadBag:
        return False


def _prefix(file: Path) -> str:
    """The name of the folder that `ros2 bag record` puts such a file into."""
    match = SPLIT.fullmatch(file.name)
    return match[1] if match else ""


def _take(file: Path, found: Found) -> None:
    """A file by itself."""
    if STORAGE.fullmatch(file.name):
        if regular(file):
            found.bags.append(file)
        else:
            found.others[file] = "is no regular file, or a link that leads nowhere"
    elif file.suffix.lower() == ".bag" and regular(file):
        found.others[file] = ros1(file)
    elif PACKED.fullmatch(file.name) and not file.name.endswith(("-wal", "-journal", "-shm")):
        found.others[file] = (
            "is a packed or unfinished bag: unpack it (`rosbag reindex` ends .active)"
        )
