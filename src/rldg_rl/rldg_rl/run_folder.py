# SPDX-License-Identifier: Apache-2.0
"""`runs/<name>/`: where everything of a run lies, and what it says of how far the run has come."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from rldg_core.bags.bag_reader import (
    METADATA,
    SUMMARY_KEY,
    EpisodeSummary,
    custom_data,
    is_complete,
    read_summary,
)
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import FormatError, read_json, read_yaml
from rldg_core.files.regular_file import open_regular, regular
from rldg_core.files.safe_name import MAX_LENGTH, NAME
from rldg_core.run_paths import RunPaths
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, Source

NUMBERED = (Source.DEMONSTRATION, Source.POLICY, Source.EVALUATION)
"""sources of the episodes that a run counts"""
EPISODE = re.compile(
    rf"(?P<source>{'|'.join(NUMBERED)})_(?P<number>\d{{1,9}})|{Source.REPLAY}_{NAME.pattern}",
    re.ASCII,
)
"""names of episodes, and of their bags; whatever else lies among a run's bags is somebody's own"""
MCAP_MAGIC = b"\x89MCAP0\r\n"
"""at both ends of a bag's file"""
POWER_CUT = "A power cut may have left it so"
T = TypeVar("T")


def is_episode(name: str) -> bool:
    """Whether it is the name of an episode, which becomes that of its bag's folder."""
    return len(name) <= MAX_LENGTH and EPISODE.fullmatch(name) is not None


def is_whole(bag: Path) -> bool:
    """Whether a run's bag was closed and both of its files are there from end to end, as far as their ends tell."""
    try:
        with open_regular(bag / METADATA) as file:
            metadata = file.read()
        with open_regular(bag / f"{bag.name}.mcap") as file:
            begin = file.read(len(MCAP_MAGIC))
            file.seek(-len(MCAP_MAGIC), os.SEEK_END)
            end = file.read()
        return (
            begin == end == MCAP_MAGIC
            and metadata.endswith(b"\n")
            and b"\0" not in metadata
            and read_summary(bag).episode_id == bag.name
        )
    except (OSError, ValueError):
        return False


def is_ours(bag: Path) -> bool:
    """Whether a folder of an episode's name is what a recorder of this project made and a kill or a power cut left: the
    recorder may mend it. A link, a copy under another name, and another program's recording are not.
    """
    if bag.is_symlink() or not bag.is_dir():
        return False
    files = (bag / METADATA, bag / f"{bag.name}.mcap")
    if any(os.path.lexists(file) and not regular(file) for file in files):
        return False
    try:
        metadata = custom_data(bag)
    except (OSError, ValueError):  # never closed, or damaged
        return (bag / f"{bag.name}.mcap").is_file() or not any(bag.iterdir())
    if SUMMARY_KEY not in metadata:
        return False
    try:
        return read_summary(bag).episode_id == bag.name
    except ValueError:
        return (bag / f"{bag.name}.mcap").is_file()


class RunFolderError(UserError):
    """The folder cannot serve this run; the message says why and what to do."""


@dataclass(frozen=True)
class RunFolder(RunPaths):
    """Small files of one run."""

    @property
    def name(self) -> str:
        """What it is called among nodes, on whichever machine; an evaluation's begins with that of its run."""
        last = 1 + 2 * self.is_evaluation
        return "/".join(self.path.absolute().parts[-last:])

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            RunFolderError: they cannot be written.
        """
        try:
            for folder in (self.bags, self.policy_checkpoint.parent, self.tensorboard, self.videos):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.write_text("")
            probe.unlink(missing_ok=True)  # another node's is the same
        except OSError as error:
            raise RunFolderError(
                f"cannot write the run's folder {self.path}: {error.strerror or error}; "
                "choose another with runs:=<folder> or make this one writable"
            ) from error

    def settle_config(
        self, config: dict[str, Any], fixed: Sequence[str] = ("task", "observation")
    ) -> None:
        """Keep the run's configuration, or check that what is `fixed` of it is that of a resumed run.

        Raises:
            RunFolderError: the folder belongs to another run.
            FormatError: what was kept cannot be read.
        """
        path = self.config
        if path.exists():
            fix = f"{POWER_CUT}: delete it, and start the run with the arguments that it was made with"
            before = read_yaml(path, dict[str, Any], fix=fix)
            for key in fixed:
                if before.get(key) != config.get(key):
                    raise RunFolderError(
                        f"{self.path} was made with {key}:={before.get(key)}, not {config.get(key)}; "
                        "give another name"
                    )
        write_atomically(path, yaml.safe_dump(config, sort_keys=False))

    def episodes(self) -> list[EpisodeSummary]:
        """Every closed episode; those of one source in the order of recording."""
        return [found for bag in self.own_bags() if (found := _summary(bag))]

    def own_bags(self) -> Iterator[Path]:
        """The folders of episodes, closed or not, in the order of their names."""
        for bag in sorted(self.bags.iterdir()):
            if is_episode(bag.name) and bag.is_dir():
                yield bag

    def succeeded(self, source: str) -> list[Path]:
        """The bags of all successful episodes of a source."""
        return [
            self.bags / episode.episode_id
            for episode in self.episodes()
            if (episode.source, episode.status) == (source, EpisodeStatus.SUCCESS)
        ]

    def next_episode_number(self, source: str) -> int:
        """The first number that no episode of this source has, closed or not."""
        found = [EPISODE.fullmatch(entry.name) for entry in self.bags.iterdir()]
        taken = [int(match["number"]) for match in found if match and match["source"] == source]
        return max(taken, default=-1) + 1

    def wall_seconds(self) -> float:
        """Wall time that earlier starts spent on this run."""
        return read_count(self.wall_time, float, 0.0)

    def keep_wall_seconds(self, seconds: float) -> None:
        """Remember the wall time spent so far."""
        write_atomically(self.wall_time, json.dumps(round(seconds, 1)))


def read_count(path: Path, kind: type[T], none: T) -> T:
    """What a small file of a run counts; `none` where there is no such file. One that cannot be read is moved aside,
    and that is said: what it counted is only reported at the end, and no run has to wait for it.
    """
    try:
        return read_json(path, kind)
    except FileNotFoundError:
        return none
    except (FormatError, OSError) as error:
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        print(
            f"warning: {error}. {POWER_CUT}; it is counted anew, the old file is {aside}",
            file=sys.stderr,
            flush=True,
        )
        return none


def _summary(bag: Path) -> EpisodeSummary | None:
    """Of a closed bag that is what its name says; None: it is not."""
    if not (is_complete(bag) and regular(bag / f"{bag.name}.mcap")):
        return None
    try:
        summary = read_summary(bag)
    except (OSError, ValueError):
        return None
    return summary if summary.episode_id == bag.name else None
