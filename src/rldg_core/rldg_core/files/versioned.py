# SPDX-License-Identifier: Apache-2.0
"""The contract version of a file, checked before anything else is expected of it: another version has other fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rldg_core.files.checked_file import typed

LONGEST = 20
"""letters of a version"""


@dataclass(frozen=True)
class _Versioned:
    contract_version: str

    def __post_init__(self) -> None:
        if len(self.contract_version) > LONGEST:
            raise ValueError(f"a contract version of {len(self.contract_version)} letters")


def version_of(content: Any, where: str, fix: str = "") -> str:
    """The contract version of what was read; `where` and `fix` as in `checked_file.read_json`.

    Raises:
        FormatError: it tells none.
    """
    return typed(content, _Versioned, where, fix=fix).contract_version
