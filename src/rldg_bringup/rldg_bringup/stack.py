# SPDX-License-Identifier: Apache-2.0
"""What a stack is: a named list of nodes, and the plan that its arguments make of it. Imports nothing of ROS."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from rldg_bringup.arguments import (
    Argument,
    Resume,
    StackError,
    Value,
    Values,
    as_text,
    check_arguments_have_effect,
    place,
    resolve,
    suggestions,
)
from rldg_bringup.bodies import settled, variables
from rldg_bringup.known import check_known
from rldg_bringup.machines import Machine, check_shared_run_name, own_enclave, parts
from rldg_bringup.pictures import own_crop
from rldg_bringup.robot_stop import standing_stop
from rldg_bringup.run_settings import settings
from rldg_core.run_paths import RunPaths


@dataclass(frozen=True)
class NodeSpec:
    """One process of a stack."""

    package: str
    """ROS package of the executable."""
    executable: str
    """Its name in `<prefix>/lib/<package>/`."""
    name: str
    """Name of the node in the graph, and of its log."""
    parameters: Values = field(default_factory=dict)
    """ROS parameters."""
    remappings: tuple[tuple[str, str], ...] = ()
    """ROS names, from and to."""
    output: Literal["screen", "log"] = "log"
    """'screen': it owns the terminal; 'log': it writes to `<run>/logs/<name>.log`."""
    respawn: bool = True
    """Start it again when it ends."""
    respawn_delay: float = 1.0
    """[s] from its end to its next start."""
    required: bool = False
    """Its clean exit ends the stack; so does any exit of it where `respawn` is off."""
    flags: tuple[str, ...] = ()
    """Words of a node's own, before those of ROS."""
    arguments: tuple[str, ...] | None = None
    """Command line of a plain program, which knows nothing of ROS; None: it is a node."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its environment."""
    machine: Machine = Machine.ROBOT
    """Where it runs, if two share the work."""

    @property
    def on_terminal(self) -> bool:
        """Whether what it writes ends on a terminal, where it may redraw; a launch whose output is a file has none."""
        return self.output == "screen" and sys.stdout.isatty()


@dataclass(frozen=True)
class StackPlan:
    """A stack with its arguments filled in: what gets started."""

    stack: str
    """Name of the stack."""
    values: Values
    """All arguments."""
    run: Path
    """Absolute path of the run folder."""
    nodes: list[NodeSpec]
    """In the order of their start."""
    makes_run: bool
    """The stack makes the run, so that its arguments are kept with it."""

    @property
    def speaks_ros(self) -> bool:
        """Whether nodes of it meet in a ROS domain."""
        return any(node.arguments is None for node in self.nodes)

    @property
    def standing_stop(self) -> str:
        """What to report of a stop of its robot that was not released; empty: there is none."""
        gated = any(node.executable == "safety_gate" for node in self.nodes)
        return standing_stop(self.values) if gated else ""

    @property
    def parts(self) -> tuple[Machine, ...]:
        """Which machines' nodes it has: one's, or those of both."""
        return parts(self.values)


@dataclass(frozen=True)
class Stack:
    """A named list of nodes."""

    name: str
    """As it is launched."""
    description: str
    """One line for people."""
    arguments: tuple[Argument, ...]
    """What can be chosen."""
    build: Callable[[Values], list[NodeSpec]]
    """Values of all arguments to nodes; `values["run"]` is the absolute run folder."""
    makes_run: bool
    """It makes its run, or resumes it; otherwise the run that it names must exist."""
    complete: Callable[[Values], Mapping[str, Value]] = lambda _: {}
    """Values that follow from those of the arguments."""
    locate: Callable[[Values], Mapping[str, Value]] = lambda _: {}
    """`name` and `runs` of the run that is meant, where other arguments say which."""
    label: str = "{task}"
    """Name of a run that was given none, before the time; of its values."""

    def plan(self, given: Mapping[str, str], now: datetime | None = None) -> StackPlan:
        """Check the `given` arguments and fill in the rest; touches no file.

        Raises:
            StackError: an argument is unknown, missing, not valid, or contradicts the run.
        """
        started = f"{now or datetime.now():%Y%m%d_%H%M%S}"
        values = resolve(self.arguments, given)
        located = dict(self.locate(values))
        values |= located
        runs = place(values["runs"])
        name = str(values.get("name", ""))
        if name and not self.makes_run and not (runs / name).is_dir():
            raise StackError(f"there is no run '{name}' in {runs}.{suggestions(name, names(runs))}")
        if name:
            maker = self.name if self.makes_run else None
            values = resolve(self.arguments, given, self._own(runs / name, maker)) | located
        values |= {"run": str(runs / name)}
        values |= self.complete(values)
        values |= own_crop(values, given)
        check_arguments_have_effect(self.arguments, given, values)
        check_known(values)
        values |= settled(values)
        check_shared_run_name(values)
        plain = {key: re.sub(r"[/,]", "_", str(value)) for key, value in values.items()}
        name = name or f"{self.label.format(**plain)}_{started}"
        run = runs / name
        evaluation = RunPaths(run).evaluations / str(values.get("evaluation") or started)
        values |= {"name": name, "run": str(run), "evaluation": str(evaluation), "started": started}
        found = variables(values)
        here = [node for node in self.build(values) if node.machine in parts(values)]
        nodes = [
            replace(n, variables={**n.variables, **found, **own_enclave(n.name)}) for n in here
        ]
        return StackPlan(self.name, values, run, nodes, self.makes_run)

    def _own(self, run: Path, maker: str | None) -> dict[str, Value]:
        """What a run was last started with, of this stack's arguments, each checked as if it were typed."""
        found = settings(run, maker)
        kept = [a for a in self.arguments if a.name in found and a.resume is not Resume.NEW]
        try:
            return {
                argument.name: argument.read(as_text(found[argument.name])) for argument in kept
            }
        except StackError as error:
            raise StackError(f"{RunPaths(run).arguments} cannot be used: {error}") from error


def names(runs: Path) -> list[str]:
    """Names of the runs in a folder."""
    return sorted(path.parent.name for path in runs.glob(str(RunPaths(Path("*")).arguments)))


def environment() -> dict[str, str]:
    """What nodes find in their environment beside the caller's own, which wins.

    One thread for each node's linear algebra: on few cores the pools of several processes fight
    each other and everything gets slower. Unbuffered output: a log is complete up to a crash.
    """
    wanted = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in wanted.items() if name not in os.environ}
