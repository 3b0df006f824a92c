# SPDX-License-Identifier: Apache-2.0
"""Conditions on where episodes come from, as `convert --where` takes them: `embodiment=fr3_hand,domain!=sim`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rldg_core.provenance import FACTS


@dataclass(frozen=True)
class Condition:
    """One of them."""

    fact: str
    """of `FACTS`"""
    value: str
    wanted: bool
    """whether episodes of that value are wanted, or all others"""

    def __str__(self) -> str:
        return f"{self.fact}{'=' if self.wanted else '!='}{self.value}"


def read_conditions(text: str) -> list[Condition]:
    """Conditions with a comma between them.

    Raises:
        ValueError: one is none, or about something else than `FACTS`.
    """
    return [_condition(part.strip()) for part in text.split(",")]


def _condition(text: str) -> Condition:
    found = re.fullmatch(r"([^=!]*)(!?=)(.+)", text)
    if not found:
        raise ValueError(f"'{text}' is no condition: fact=value or fact!=value, such as domain=sim")
    fact, sign, value = found.groups()
    if fact not in FACTS:
        raise ValueError(f"there is no fact '{fact}'; there are: {', '.join(FACTS)}")
    return Condition(fact, value, sign == "=")


def unmet(conditions: Iterable[Condition], episode: object) -> str | None:
    """The first of an episode's facts that is not as wanted, with its value; None if all are.

    Of a fact, one of the values with `=` counts, where there is one, and none with `!=`.
    """
    conditions = tuple(conditions)
    for fact in FACTS:
        value = getattr(episode, fact)
        wanted = {c.value for c in conditions if c.fact == fact and c.wanted}
        unwanted = {c.value for c in conditions if c.fact == fact and not c.wanted}
        if (wanted and value not in wanted) or value in unwanted:
            return f"{fact} {value}"
    return None
