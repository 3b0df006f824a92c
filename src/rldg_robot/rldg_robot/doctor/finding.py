# SPDX-License-Identifier: Apache-2.0
"""What a check found: fine, or what is wrong, why it matters, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from rich.text import Text


class CheckStatus(Enum):
    """How it is; the value is the mark that is shown, and its style."""

    GOOD = ("✓", "green")
    WARNING = ("!", "yellow")
    BAD = ("✗", "red")
    SKIPPED = ("-", "dim")


@dataclass(frozen=True)
class Finding:
    """One line of a check-up."""

    subject: str
    """what was looked at"""
    status: CheckStatus
    found: str
    """what was seen, with units"""
    fix: str = ""
    """what to do about it; empty where nothing is to be done"""

    def shown(self) -> Text:
        """As it is printed."""
        text = Text.assemble(self.status.value, f" {self.subject}: {self.found}")
        return text + Text.assemble(("\n    → ", "bold"), self.fix) if self.fix else text


def good(subject: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(subject, CheckStatus.GOOD, found)


def warning(subject: str, found: str, fix: str) -> Finding:
    """It works, but not as well as it should."""
    return Finding(subject, CheckStatus.WARNING, found, fix)


def bad(subject: str, found: str, fix: str) -> Finding:
    """Nothing should move before this is mended."""
    return Finding(subject, CheckStatus.BAD, found, fix)


def skipped(subject: str, why: str) -> Finding:
    """It could not be looked at, or does not matter here."""
    return Finding(subject, CheckStatus.SKIPPED, why)


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing is bad."""
    return all(finding.status is not CheckStatus.BAD for finding in findings)
