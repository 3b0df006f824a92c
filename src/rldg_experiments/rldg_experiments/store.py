# SPDX-License-Identifier: Apache-2.0
"""What is there already: a `stage.json` in every finished artefact, written last.

Whoever deletes an artefact deletes the note with it, and the stage is done again when somebody needs it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import read_json
from rldg_experiments.stages import Stage

NOTE = "stage.json"
PACKAGES = ("rldg_bringup", "rldg_core", "rldg_distill", "rldg_rl", "rldg_robot")
"""their sources decide, too, what comes out"""


@dataclass(frozen=True)
class Note:
    """How an artefact was made."""

    key: str
    command: str
    seconds: float
    """[s] that the command took; of the last start, where it was killed before"""
    resumed: bool
    """whether an earlier start had begun it"""
    code: str
    """fingerprint of the sources that made it"""
    finished: str
    """local time"""
    cpu_seconds: float | None = None
    """[s] of processor time in those `seconds`, of the command and all that it started; None: not measured then"""


def note_of(stage: Stage) -> Note | None:
    """How a finished stage was made; None: it is not finished.

    Raises:
        FormatError: the note is damaged.
    """
    path = stage.artefact / NOTE
    fix = f"Delete {NOTE}, and the stage is done again where it is needed"
    return read_json(path, Note, fix=fix) if path.is_file() else None


def finish(stage: Stage, seconds: float, cpu_seconds: float, resumed: bool) -> None:
    """Note that a stage's command succeeded; from now on it is not run again."""
    note = Note(
        key=stage.key,
        command=str(stage.command),
        seconds=round(seconds, 1),
        resumed=resumed,
        code=code(),
        finished=f"{datetime.now():%F %T}",
        cpu_seconds=round(cpu_seconds, 1),
    )
    write_atomically(stage.artefact / NOTE, json.dumps(asdict(note), indent=2) + "\n")


def in_dependency_order(targets: Iterable[Stage]) -> list[Stage]:
    """The targets and all that is still needed to make them, what is needed first; each once.

    What only finished stages need is left out: it may have been deleted since.
    """
    found: dict[Path, Stage] = {}  # not by key, which two students with equal settings share

    def visit(stage: Stage) -> None:
        if stage.artefact in found:
            return
        if note_of(stage) is None:
            for other in stage.needs:
                visit(other)
        found[stage.artefact] = stage

    for target in targets:
        visit(target)
    return list(found.values())


@cache
def code() -> str:
    """Fingerprint of the packages' sources as they are."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None and spec.submodule_search_locations
        folder = Path(spec.submodule_search_locations[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(folder)}".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
