# SPDX-License-Identifier: Apache-2.0
"""The rows of one or several `results.json`, read back to be drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rldg_core.files.checked_file import FormatError, read_json
from rldg_experiments.cell import WHERE
from rldg_experiments.evaluation import Interval
from rldg_experiments.results import Row, of_most_episodes

FIX = "Give the results.json of an experiment"


@dataclass(frozen=True)
class _Compared:
    """What is read of the experiment itself."""

    tasks: dict[str, Any]
    """by family, in the order of the pictures"""
    data: dict[str, Any] = field(default_factory=dict)
    """by name"""
    sources: tuple[str, ...] = ()
    """names of the data, in a file of version 0.1.0"""


@dataclass(frozen=True)
class _Content:
    """What is read of a `results.json`."""

    experiment: _Compared
    results: tuple[Row, ...]


@dataclass(frozen=True)
class Together:
    """What several files say as if one experiment had found it."""

    families: tuple[str, ...]
    """in the order of the files"""
    rows: tuple[Row, ...]
    """of each file's largest number of episodes; of rows of the same bar, the first file's"""
    left_out: tuple[str, ...]
    """rows that differ from an earlier file's of the same bar, each in a line"""


def read_together(paths: Sequence[Path]) -> Together:
    """Read several files in their order.

    Raises:
        FormatError: a file is not the `results.json` of an experiment.
        OSError: it is not there, or cannot be read.
    """
    families: list[str] = []
    rows: dict[tuple[str, ...], tuple[Row, Path]] = {}
    left_out: list[str] = []
    for path in paths:
        content = read_json(path, _Content, fix=FIX)
        families += [family for family in content.experiment.tasks if family not in families]
        for row in of_most_episodes(content.results):
            _check(row, content.experiment, path)
            bar = (row.family, row.where, row.policy, row.source)
            earlier, there = rows.setdefault(bar, (row, path))
            if earlier != row:
                left_out.append(f"{path}: {' '.join(bar).rstrip()} is drawn from {there}")
    return Together(tuple(families), tuple(row for row, _ in rows.values()), tuple(left_out))


def _check(row: Row, compared: _Compared, path: Path) -> None:
    """Whether a row can be drawn.

    Raises:
        FormatError: it cannot.
    """
    where = f"{path}: results: {row.policy} on {row.family} {row.where}"
    if row.family not in compared.tasks or row.where not in WHERE:
        raise FormatError(f"{where} is not among the experiment's tasks. {FIX}")
    names = (*compared.sources, *compared.data)
    if row.source not in ("", *names):
        raise FormatError(f"{where}: source '{row.source}' is none of {', '.join(names)}. {FIX}")
    success: Interval = row.all.success
    if not 0 <= success.low <= success.value <= success.high <= 1:
        raise FormatError(f"{where}: success is no share within its interval. {FIX}")
