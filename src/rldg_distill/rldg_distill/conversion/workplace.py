# SPDX-License-Identifier: Apache-2.0
"""Where a dataset grows until it is whole, and what of it survives a kill.

    data/<name>/.1.0.0.unfinished/     finished shards; takes the name 1.0.0 once it is whole
    data/<name>/.1.0.0.progress/       fingerprint of the plan, the outcome of every finished shard, half-written files
    data/<name>/.lerobot.unfinished/   what is made of whole shards for the format LeRobot; takes the name lerobot

A shard counts from the moment on that its outcome lies there. Whoever writes files does it elsewhere and renames them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from rldg_core.commands.command_line import UsageError
from rldg_core.files.atomic_file import publish, write_atomically
from rldg_core.files.checked_file import FormatError, read_json
from rldg_core.files.claim import LOCK, Claim
from rldg_distill.datasets import rlds


@dataclass(frozen=True)
class _Bad:
    """Bags of a plan that could not be converted and left a split empty."""

    first: str
    rejected: dict[str, str]


@dataclass(frozen=True)
class Workplace:
    """The folders of a dataset."""

    out: Path
    """`data/<name>`"""

    @property
    def data(self) -> Path:
        """The dataset so far, as RLDS."""
        return self.out / f".{rlds.VERSION}.unfinished"

    @property
    def progress(self) -> Path:
        """What is known of it."""
        return self.out / f".{rlds.VERSION}.progress"

    @property
    def exported(self) -> Path:
        """The same as a LeRobot dataset."""
        return self.out / ".lerobot.unfinished"

    def outcome(self, shard: str) -> Path:
        """File with the outcome of a shard."""
        return self.progress / f"{shard}.npz"

    def half_written(self, name: str) -> Path:
        """A new name for a file that is not whole yet; no other process has it."""
        return self.progress / f"{name}.{uuid4().hex}.part"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other conversions out.

        Raises:
            InUse: one is in.
            UsageError: the folder cannot be written.
        """
        refusal = f"another conversion writes {self.out}: wait for it, or give another name"
        try:
            claim = Claim(self.progress, refusal)
        except OSError as error:
            raise UsageError(f"cannot write {self.out}: {error.strerror}") from error
        with claim:
            yield

    @property
    def _bad(self) -> Path:
        return self.progress / "bad.json"

    def found_bad(self, first: str) -> dict[str, str]:
        """Why by path, of bags that an earlier go at the same bags found to be none; `first` as in `resume`."""
        try:
            found = read_json(self._bad, _Bad)
        except (FormatError, OSError):
            return {}
        return found.rejected if found.first == first else {}

    def keep_bad(self, first: str, rejected: dict[str, str]) -> None:
        """Remember them for a go that follows a kill."""
        write_atomically(self._bad, json.dumps(asdict(_Bad(first, rejected))))

    def resume(self, fingerprint: str, first: str = "") -> None:
        """Keep what the same plan left, and nothing else.

        Args:
            fingerprint: of the plan.
            first: that of the plan of all bags, where some of them have shown since to be none.
        """
        plan = self.progress / "plan"
        if plan.is_file() and plan.read_text() == fingerprint:
            kept = {plan.name, LOCK, *(path.name for path in self.progress.glob("*.npz"))}
        else:
            kept = {LOCK}
            shutil.rmtree(self.data, ignore_errors=True)
        if self.found_bad(first):
            kept.add(self._bad.name)
        for path in self.progress.iterdir():
            if path.name not in kept:
                path.unlink()
        shutil.rmtree(self.exported, ignore_errors=True)
        self.data.mkdir(exist_ok=True)
        write_atomically(plan, fingerprint)

    def publish(self, whole: Path, final: Path) -> None:
        """Let a whole dataset take its name, in the place of an older one, and leave nothing else behind."""
        old = final.with_name(f".{final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        publish(whole, final)
        for path in (old, self.data, self.progress):
            shutil.rmtree(path, ignore_errors=True)
