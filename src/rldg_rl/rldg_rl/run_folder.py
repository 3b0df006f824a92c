# SPDX-License-Identifier: Apache-2.0
"""`runs/<name>/`: where everything of a run lies, and what it says of how far the run has come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rldg_robot.atomic_file import write_atomically
from rldg_robot.bag_reader import EpisodeSummary, is_complete, read_summary


class RunError(RuntimeError):
    """The folder cannot serve this run; the message says why and what to do."""


@dataclass(frozen=True)
class RunFolder:
    """Paths and small files of one run."""

    path: Path

    @property
    def name(self) -> str:
        """What it is called among nodes, on whichever machine; an evaluation's begins with that of its run."""
        last = 1 + 2 * (self.path.parent.name == "evaluations")
        return "/".join(self.path.absolute().parts[-last:])

    @property
    def bags(self) -> Path:
        """One folder per episode."""
        return self.path / "bags"

    @property
    def learner_checkpoint(self) -> Path:
        """Networks, optimisers and counts: all that the learner needs to go on."""
        return self.path / "checkpoints" / "learner.safetensors"

    @property
    def policy_checkpoint(self) -> Path:
        """The policy alone: what evaluation and collection load."""
        return self.path / "checkpoints" / "policy.safetensors"

    @property
    def encoder_fit(self) -> Path:
        """How well a specialist's image encoder tells where the goal is."""
        return self.path / "checkpoints" / "encoder.json"

    @property
    def tensorboard(self) -> Path:
        """Event files, one folder per process."""
        return self.path / "tensorboard"

    @property
    def videos(self) -> Path:
        """Films of evaluation episodes."""
        return self.path / "videos"

    @property
    def records(self) -> Path:
        """One line per evaluation episode; see `results`."""
        return self.path / "episodes.jsonl"

    @property
    def summary(self) -> Path:
        """What came out."""
        return self.path / "summary.json"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            RunError: they cannot be written.
        """
        try:
            for folder in (self.bags, self.policy_checkpoint.parent, self.tensorboard, self.videos):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.write_text("")
            probe.unlink(missing_ok=True)  # another node's is the same
        except OSError as error:
            raise RunError(
                f"cannot write the run's folder {self.path}: {error.strerror or error}; "
                "choose another with runs:=<folder> or make this one writable"
            ) from error

    def settle_config(
        self, config: dict[str, Any], fixed: Sequence[str] = ("task", "observation")
    ) -> None:
        """Keep the run's configuration, or check that what is `fixed` of it is that of a resumed run.

        Raises:
            RunError: the folder belongs to another run.
        """
        path = self.path / "config.yaml"
        if path.is_file():
            before = yaml.safe_load(path.read_text())
            for key in fixed:
                if before.get(key) != config.get(key):
                    raise RunError(
                        f"{self.path} was made with {key}:={before.get(key)}, not {config.get(key)}; "
                        "give another name"
                    )
        write_atomically(path, yaml.safe_dump(config, sort_keys=False))

    def episodes(self) -> list[EpisodeSummary]:
        """Every closed episode; those of one source in the order of recording."""
        return [read_summary(bag) for bag in sorted(self.bags.iterdir()) if is_complete(bag)]

    def succeeded(self, source: str) -> list[Path]:
        """The bags of all successful episodes of a source."""
        return [
            self.bags / episode.episode_id
            for episode in self.episodes()
            if (episode.source, episode.status) == (source, "success")
        ]

    def next_episode_number(self, source: str) -> int:
        """The first number that no episode of this source has, closed or not."""
        taken = [int(bag.name.rsplit("_", 1)[1]) for bag in self.bags.glob(f"{source}_[0-9]*")]
        return max(taken, default=-1) + 1

    def wall_seconds(self) -> float:
        """Wall time that earlier starts spent on this run."""
        path = self.path / "wall_seconds.json"
        return float(json.loads(path.read_text())) if path.is_file() else 0.0

    def keep_wall_seconds(self, seconds: float) -> None:
        """Remember the wall time spent so far."""
        write_atomically(self.path / "wall_seconds.json", json.dumps(round(seconds, 1)))
