# SPDX-License-Identifier: Apache-2.0
"""From what a YAML claims to the policies and tasks that decide it: one claim for every family and pair of arms.

An arm is one way to a policy: the specialists, or a student with its data. `cnn/rldg/15` names the student, its data
and the number of episodes; a part that is left out stands for every one, and then two arms that are compared are alike
in it. All seeds of an arm are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rldg_experiments.cell import SPECIALIST, WHERE, Cell
from rldg_experiments.claim_settings import ClaimSettings
from rldg_experiments.experiment import Experiment, ExperimentError
from rldg_experiments.stages import Evaluation


@dataclass(frozen=True)
class ArmName:
    """An arm as a claim names it; what is None stands for every one."""

    policy: str | None = None
    source: str | None = None
    episodes: int | None = None


@dataclass(frozen=True)
class ExperimentArm:
    """One way to a policy, in one family of tasks, and where it was judged."""

    policy: str
    """a student as the experiment calls it, or `specialist`"""
    source: str
    """of its data; a specialist's own: empty"""
    episodes: int
    """that it learned from; specialists: 0"""
    evaluations: tuple[Evaluation, ...]

    def __str__(self) -> str:
        """As a claim would name it."""
        return f"{self.policy}/{self.source}/{self.episodes}" if self.source else self.policy


@dataclass(frozen=True)
class PlannedClaim:
    """One claim about certain policies on certain tasks."""

    settings: ClaimSettings
    on: str
    """family/seen, family/unseen, family, or a task"""
    first: ExperimentArm
    second: ExperimentArm | None
    """None: a bound that is relative to none"""


def planned_claims(experiment: Experiment, cells: Sequence[Cell]) -> tuple[PlannedClaim, ...]:
    """Every claim of an experiment.

    Raises:
        ExperimentError: one is about an arm or tasks that are not judged.
    """
    found: list[PlannedClaim] = []
    for number, settings in enumerate(experiment.claims, 1):
        where = f"{experiment.name}: claims, number {number} ({settings})"
        try:
            planned = list(_planned(experiment, settings, cells))
        except ValueError as error:
            raise ExperimentError(f"{where}: {error}") from error
        if not planned:
            raise ExperimentError(f"{where}: no two arms that are alike otherwise are judged there")
        found += planned
    return tuple(found)


def _planned(
    experiment: Experiment, settings: ClaimSettings, cells: Sequence[Cell]
) -> Iterator[PlannedClaim]:
    first = _arm_name(experiment, settings.first)
    second = _arm_name(experiment, settings.second) if settings.second else None
    for family, on in _places(experiment, settings.on):
        arms = _arms(family, on, cells)
        ours = _named(first, settings.first, on, arms)
        if second is None:
            yield from (PlannedClaim(settings, on, arm, None) for arm in ours)
            continue
        others = _named(second, settings.second, on, arms)
        yield from (
            PlannedClaim(settings, on, arm, other)
            for arm in ours
            for other in others
            if arm != other and _alike(arm, other, first, second) and _same_tasks(arm, other, on)
        )


def _arm_name(experiment: Experiment, text: str) -> ArmName:
    """Raises ValueError for a part that is neither a student, a source nor a number of episodes."""
    if text == SPECIALIST:
        return ArmName(policy=SPECIALIST)
    parts: dict[str, str | int] = {}
    for word in text.split("/"):
        if word in experiment.policies:
            kind: str = "policy"
        elif word in experiment.data:
            kind = "source"
        elif word.isdecimal():
            kind = "episodes"
        else:
            kind = ""
        if not kind or kind in parts:
            raise ValueError(
                f"there is no arm '{text}': name {SPECIALIST}, or a student "
                f"({', '.join(experiment.policies) or 'there is none'}), its data "
                f"({', '.join(experiment.data)}) and the number of its episodes, or some of the "
                "three, with / between them"
            )
        parts[kind] = int(word) if kind == "episodes" else word
    return ArmName(**parts)  # type: ignore[arg-type]


def _places(experiment: Experiment, on: str) -> list[tuple[str, str]]:
    """Families, and where in each.

    Raises:
        ValueError: there are none.
    """
    families = list(experiment.tasks)
    everywhere = [
        (f, f"{f}/{on}") for f in families if on in WHERE and _variants(experiment, f, on)
    ]
    if everywhere:
        return everywhere
    family, _, where = on.partition("/")
    if family in families and (not where or _variants(experiment, family, where)):
        return [(family, on)]
    raise ValueError(
        f"on: nothing is judged on '{on}': name seen, unseen, one of {', '.join(families)}, "
        "or a family with /seen, /unseen or one of its variants"
    )


def _variants(experiment: Experiment, family: str, where: str) -> tuple[str, ...]:
    variants = experiment.tasks[family]
    if where in WHERE:
        return variants.judged(where)
    return tuple(v for part in WHERE for v in variants.judged(part) if v == where)


def _arms(family: str, on: str, cells: Sequence[Cell]) -> list[ExperimentArm]:
    """Everything that is judged somewhere, as arms."""
    found: dict[tuple[str, str, int], list[Evaluation]] = {}
    for cell in cells:
        if cell.family != family:
            continue
        wanted = [
            evaluation
            for evaluation in cell.evaluations
            if on in (family, f"{family}/{cell.where}", evaluation.task)
        ]
        if wanted:
            found.setdefault((cell.policy, cell.source, cell.episodes), []).extend(wanted)
    return [ExperimentArm(*arm, tuple(evaluations)) for arm, evaluations in found.items()]


def _named(name: ArmName, text: str, on: str, arms: Sequence[ExperimentArm]) -> list[ExperimentArm]:
    found = [
        arm
        for arm in arms
        if (name.policy == SPECIALIST) == (arm.policy == SPECIALIST)
        and all(
            getattr(arm, part) == value for part, value in vars(name).items() if value is not None
        )
    ]
    if found:
        return found
    there = ", ".join(map(str, arms)) or "none"
    hint = ": see evaluation.specialists" if name.policy == SPECIALIST else ""
    raise ValueError(f"no arm '{text}' is judged on {on}{hint}; there are: {there}")


def _alike(arm: ExperimentArm, other: ExperimentArm, name: ArmName, other_name: ArmName) -> bool:
    """Whether two arms are equal in every part that one of the names leaves open; specialists are beside all."""
    if SPECIALIST in (arm.policy, other.policy):
        return True
    return all(
        getattr(arm, part) == getattr(other, part)
        for part in vars(name)
        if None in (getattr(name, part), getattr(other_name, part))
    )


def _same_tasks(arm: ExperimentArm, other: ExperimentArm, on: str) -> bool:
    """Raises ValueError where one is judged on tasks that the other is not."""
    tasks, others = ({e.task for e in each.evaluations} for each in (arm, other))
    if tasks != others:
        lacking, task = (other, tasks - others) if tasks - others else (arm, others - tasks)
        raise ValueError(f"{lacking} is not judged on {min(task)}, which is part of {on}")
    return True
