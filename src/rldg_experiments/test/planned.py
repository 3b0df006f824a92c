# SPDX-License-Identifier: Apache-2.0
"""Plans of experiments that tests write themselves."""

from __future__ import annotations

from pathlib import Path

from rldg_bringup.arguments import resolve, split
from rldg_bringup.stacks import STACKS
from rldg_distill.conversion.options import parse as parse_convert
from rldg_distill.distill import parse as parse_distill
from rldg_experiments.commands import Command
from rldg_experiments.plan import ExperimentPlan
from rldg_experiments.stages import Stage


def every_stage(plan: ExperimentPlan) -> dict[str, Stage]:
    """Of a plan, finished or not."""
    found: dict[str, Stage] = {}
    waiting: list[Stage] = plan.targets
    while waiting:
        stage = waiting.pop()
        found[stage.name] = stage
        waiting += stage.needs
    return found


def own(folder: Path, text: str) -> str:
    """An experiment of one's own; its path."""
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def accept(command: Command) -> None:
    """Hand a command to the parser of the program that it starts; that raises, or exits."""
    verb, *words = command.words
    if verb == "launch":
        resolve(STACKS[words[0]].arguments, split(words[1:]))
    elif verb == "run":
        assert words[:2] == ["rldg_rl", "relabel"] and "--policy" in words
    else:
        {"convert": parse_convert, "distill": parse_distill}[verb](words)
