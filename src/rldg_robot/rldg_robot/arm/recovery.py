# SPDX-License-Identifier: Apache-2.0
"""What came of clearing an arm's errors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recovery:
    """The answer to a person who asked for it."""

    done: bool
    """the arm has no error any more"""
    text: str
    """for the person: what it was recovered from, or why it was not"""


def recovered_from(trouble: str) -> Recovery:
    """It has no error any more; empty `trouble`: nor did it have one."""
    text = f"recovered from: {trouble}" if trouble else "there was nothing to recover from"
    return Recovery(True, text)


def not_recovered(why: str) -> Recovery:
    """It still has its error."""
    return Recovery(False, f"not recovered: {why}")
