# SPDX-License-Identifier: Apache-2.0
"""Whether everything that `convert` was asked for has met a bag that it changes anything for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace

from rldg_core.commands.command_line import pointless
from rldg_distill.conversion.options import Options
from rldg_distill.recordings.foreign.foreign_bag import ForeignBag, StatedFacts
from rldg_distill.recordings.selection import BagDescription, Filters


def check_options_have_effect(
    options: Options, bags: Collection[BagDescription], recordings: Collection[ForeignBag]
) -> None:
    """Check the options against all bags that can be read.

    Args:
        options: as they were typed.
        bags: what every bag says of itself, whether or not it is wanted.
        recordings: what those made elsewhere are taken for.

    Raises:
        UsageError: one changes nothing.
    """
    _check_filters(options.filters, bags)
    _check_stated(options.stated, recordings)


def _check_filters(filters: Filters, bags: Collection[BagDescription]) -> None:
    alone = Filters(statuses=())
    asked = [
        *(("--source", source, replace(alone, sources=(source,))) for source in filters.sources),
        *(("--status", status, replace(alone, statuses=(status,))) for status in filters.statuses),
        *(("--task", task, replace(alone, tasks=(task,))) for task in filters.tasks),
    ]
    for option, value, only in asked:
        if all(only.reason_against(bag) for bag in bags):
            there = sorted({str(getattr(bag, option[2:])) for bag in bags})
            why = f"no bag is of it, they are of {', '.join(there)}"
            raise pointless(f"{option} {value}", why, "Leave it out")
    for condition in filters.where:
        there = sorted({str(getattr(bag, condition.fact)) for bag in bags})
        if condition.value not in there:
            why = f"no bag has that {condition.fact}, they have {', '.join(there)}"
            raise pointless(f"--where {condition}", why, "Leave it out")


def _check_stated(stated: StatedFacts, recordings: Collection[ForeignBag]) -> None:
    usual = StatedFacts()
    facts = [fact.name for fact in fields(StatedFacts) if fact.name != "topics"]
    given = {
        fact: getattr(stated, fact)
        for fact in facts
        if getattr(stated, fact) != getattr(usual, fact)
    }
    asked = [*(_option(*fact) for fact in given.items())]
    asked += [f"--topic {name}={topic}" for name, topic in stated.topics.items()]
    if asked and not recordings:
        raise pointless(asked[0], "it is about bags made elsewhere, and none is", "Leave it out")
    for fact, value in given.items():
        if not any(getattr(recording.stated, fact) == value for recording in recordings):
            why = (
                "every bag states another value itself, in its custom_data or its Episode messages"
            )
            raise pointless(_option(fact, value), why, "Leave it out, or repair the bags")
    for name, topic in stated.topics.items():
        if not any(recording.topics.get(name) == topic for recording in recordings):
            why = f"nothing is taken from there, for {name} plays no part in these bags"
            raise pointless(f"--topic {name}={topic}", why, "Leave it out")


def _option(fact: str, value: str) -> str:
    if fact in StatedFacts.facts():
        return f"--recorded {fact}={value}"
    return f"--{fact.replace('_', '-')} {value}"
