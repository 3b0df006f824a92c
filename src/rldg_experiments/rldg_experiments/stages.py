# SPDX-License-Identifier: Apache-2.0
"""Stages: a command each, what it depends on, and the name of what it leaves.

A stage's key is a hash of its settings, of the keys of the stages that it needs, of the task definitions and
operator traits that it works with, and of its kind's version. The version is a number that is raised by hand when the
code behind a command changes what comes out of it: a hash of the sources would throw hours of training away for a
comment. Which code really made an artefact is noted beside it, see `store`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

from rldg_core.operators import OPERATORS
from rldg_core.run_paths import RunPaths
from rldg_core.task import Task, load_task
from rldg_experiments.commands import Command, option

RUNS, DATA = Path("runs"), Path("data")
HUMAN, RLDG, RELABELLED = "human", "rldg", "relabelled"
"""kinds of data, in the names of what stages leave: of an operator, of specialists, of both"""
UPDATES_PER_SECOND = 5.0
CORES = 2
CPU_MINUTES = 4.0
"""of a specialist whose task states none"""
DECIDES_NOTHING = ("cpu_budget", "has_hole", "reset_seconds")
"""fields of a task that change nothing about what comes out"""
OF_LEARNING = ("learning", "grasp_penalty")
"""those that only the training of its specialist reads; whatever else depends on them needs that specialist"""


@dataclass(frozen=True)
class Stage:
    """One command of an experiment. Fields of subclasses are its settings and the stages that it needs."""

    KIND: ClassVar[str]
    """part of the key: what kind of stage it is, whatever its class is called"""
    VERSION: ClassVar[int]
    """part of the key: raise it when the same settings give something else"""
    ADDED: ClassVar[dict[str, Any]] = {}
    """settings that a stage did not have at first, with the value that stands for that: then it keeps its key"""

    @cached_property
    def key(self) -> str:
        """Hash of everything that decides what comes out."""
        content = [self.KIND, self.VERSION, self._settings, self.world()]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def _settings(self) -> dict[str, Any]:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: _plain(value)
            for name, value in given.items()
            if name not in self.ADDED or value != self.ADDED[name]
        }

    @property
    def needs(self) -> Iterator[Stage]:
        """Stages whose artefacts the command reads."""
        for field in fields(self):
            value = getattr(self, field.name)
            yield from (
                s for s in (value if isinstance(value, tuple) else (value,)) if isinstance(s, Stage)
            )

    def world(self) -> Mapping[str, Any]:
        """What else decides: files that the command reads by itself."""
        return {}

    @property
    def label(self) -> str:
        """What it makes, in a file's name."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Of what it leaves."""
        return f"{self.label}_{self.key}"

    @property
    def artefact(self) -> Path:
        """Folder that it leaves."""
        return RUNS / self.name

    @property
    def occupies(self) -> Path:
        """Folder that no other stage may write into at the same time."""
        return self.artefact

    @property
    def command(self) -> Command:
        """What makes it. It goes on where it was killed."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What happens, in words."""
        raise NotImplementedError

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores, until the machine has shown what it needs."""
        raise NotImplementedError


def _plain(value: Any) -> Any:
    """A setting for the key; a stage counts by its own."""
    if isinstance(value, Stage):
        return value.key
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Specialist(Stage):
    """One task is learned by reinforcement."""

    KIND: ClassVar[str] = "Specialist"
    VERSION: ClassVar[int] = 1
    task: str
    demos: int
    steps: int
    seed: int

    def world(self) -> Mapping[str, Any]:
        """The task, and the person who demonstrates it."""
        tasks = task_definitions((self.task,), without=DECIDES_NOTHING)
        return {"tasks": tasks, "operator": _operator()}

    @property
    def label(self) -> str:
        """specialist_connector_vga."""
        return f"specialist_{_flat(self.task)}"

    @property
    def command(self) -> Command:
        """`train_rl`."""
        numbers = (f"demos:={self.demos}", f"steps:={self.steps}", f"seed:={self.seed}")
        return Command(("launch", "train_rl", f"task:={self.task}", *numbers, f"name:={self.name}"))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"a specialist learns {self.task}"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        task = load_task(self.task)
        minutes = task.cpu_budget or CPU_MINUTES
        return 60.0 * minutes / CORES * self.steps / task.learning.steps


@dataclass(frozen=True)
class Episodes(Stage):
    """Successful episodes of a source, the same number of every task."""

    KIND: ClassVar[str] = "Episodes"
    VERSION: ClassVar[int] = 1
    source: str
    tasks: tuple[str, ...]
    episodes: int
    seed: int
    specialists: tuple[Specialist, ...] = ()
    """one a task; none where the operator leads"""

    def world(self) -> Mapping[str, Any]:
        """The tasks, and the person where one leads."""
        operator = {} if self.specialists else {"operator": _operator()}
        return {"tasks": task_definitions(self.tasks)} | operator

    @property
    def label(self) -> str:
        """episodes_rldg_connector_150."""
        return f"episodes_{self.source}_{_family(self.tasks)}_{self.episodes}"

    @property
    def command(self) -> Command:
        """`collect`."""
        leaders = ",".join(f"{s.task}={s.name}" for s in self.specialists)
        who = (
            (f"policies:={leaders}",)
            if leaders
            else ("source:=operator", f"task:={','.join(self.tasks)}")
        )
        numbers = (f"episodes:={self.episodes}", f"seed:={self.seed}")
        return Command(("launch", "collect", *who, *numbers, f"name:={self.name}"))

    @property
    def title(self) -> str:
        """What happens, in words."""
        who = "specialists" if self.specialists else "the operator"
        return f"{self.episodes} successful episodes of {who}: {', '.join(self.tasks)}"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 10 + self.episodes * (0.6 if self.source == HUMAN else 0.4)


@dataclass(frozen=True)
class Relabelled(Stage):
    """A person's episodes with the specialists' actions."""

    KIND: ClassVar[str] = "Relabelled"
    VERSION: ClassVar[int] = 1
    source: ClassVar[str] = RELABELLED
    of: Episodes
    specialists: tuple[Specialist, ...]
    seed: int

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of the episodes."""
        return self.of.tasks

    @property
    def label(self) -> str:
        """episodes_relabelled_connector_150."""
        return f"episodes_{self.source}_{_family(self.tasks)}_{self.of.episodes}"

    @property
    def command(self) -> Command:
        """`relabel`."""
        who = [word for s in self.specialists for word in ("--policy", f"{s.task}={s.name}")]
        words = ("run", "rldg_rl", "relabel", self.of.name, *who)
        return Command((*words, "--seed", str(self.seed), "--name", self.name))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.of.episodes} human episodes get the specialists' actions"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 5 + self.of.episodes * 0.2


@dataclass(frozen=True)
class DatasetStage(Stage):
    """Some of a collection's episodes, for training."""

    KIND: ClassVar[str] = "Dataset"
    VERSION: ClassVar[int] = 1
    ADDED: ClassVar[dict[str, Any]] = {"where": ""}
    episodes: Episodes | Relabelled
    count: int
    where: str = ""

    @property
    def seed(self) -> int:
        """Of its collection."""
        return self.episodes.seed

    @property
    def label(self) -> str:
        """rldg_connector_150."""
        return f"{self.episodes.source}_{_family(self.episodes.tasks)}_{self.count}"

    @property
    def artefact(self) -> Path:
        """A dataset, not a run."""
        return DATA / self.name

    @property
    def command(self) -> Command:
        """`convert`; what a killed one had published is replaced."""
        run, count = str(RUNS / self.episodes.name), str(self.count)
        where = ("--where", self.where) if self.where else ()
        return Command(
            ("convert", run, "--count", count, *where, "--out", str(self.artefact), "--overwrite")
        )

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.count} {self.episodes.source} episodes become a dataset"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 4 + self.count * 0.03


@dataclass(frozen=True)
class StudentTraining(Stage):
    """A student learns from a dataset."""

    KIND: ClassVar[str] = "Student"
    VERSION: ClassVar[int] = 1
    called: str
    """by the experiment"""
    student: str
    options: tuple[tuple[str, Any], ...]
    dataset: DatasetStage

    @property
    def _settings(self) -> dict[str, Any]:
        settings = super()._settings
        del settings["called"]  # a name changes nothing
        return settings

    @property
    def seed(self) -> int:
        """Of its training."""
        return int(dict(self.options).get("seed", 0))

    @property
    def label(self) -> str:
        """cnn_rldg_connector_150."""
        return f"{self.called}_{self.dataset.label}"

    @property
    def command(self) -> Command:
        """`distill`."""
        options = [word for name, value in self.options for word in option(name, value)]
        start = ("distill", str(self.dataset.artefact), "--student", self.student)
        return Command((*start, *options, "--name", self.name))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.called} learns from {self.dataset.count} {self.dataset.episodes.source} episodes"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 15 + int(dict(self.options).get("steps", 6000)) / UPDATES_PER_SECOND


@dataclass(frozen=True)
class Evaluation(Stage):
    """A policy is judged on a task."""

    KIND: ClassVar[str] = "Evaluation"
    VERSION: ClassVar[int] = 1
    ADDED: ClassVar[dict[str, Any]] = {"perturb": "", "transport": "direct"}
    policy: Specialist | StudentTraining
    task: str
    episodes: int
    seed: int
    perturb: str = ""
    transport: str = "direct"

    def world(self) -> Mapping[str, Any]:
        """The task."""
        return {"tasks": task_definitions((self.task,))}

    @property
    def label(self) -> str:
        """connector_usb_c."""
        return _flat(self.task)

    @property
    def artefact(self) -> Path:
        """In the policy's run."""
        return RunPaths(RUNS / self.policy.name).evaluations / self.name

    @property
    def occupies(self) -> Path:
        """The policy's run, whose summary names its evaluations."""
        return self.policy.artefact

    @property
    def command(self) -> Command:
        """`evaluate`, without ROS if not asked otherwise: the same episodes, on all cores."""
        what = (f"name:={self.policy.name}", f"task:={self.task}", f"evaluation:={self.name}")
        how = (f"episodes:={self.episodes}", f"seed:={self.seed}", f"transport:={self.transport}")
        off = (f"perturb:={self.perturb}",) if self.perturb else ()
        return Command(("launch", "evaluate", *what, *how, *off))

    @property
    def title(self) -> str:
        """What happens, in words."""
        return f"{self.policy.label} does {self.task} {self.episodes} times"

    @property
    def typical_seconds(self) -> float:
        """[s] on two cores."""
        return 8 + self.episodes * 0.3


def _flat(task: str) -> str:
    """A task in a file's name."""
    return task.replace("/", "_")


def _family(tasks: tuple[str, ...]) -> str:
    """Tasks of one family in a file's name."""
    return tasks[0].split("/")[0] if len(tasks) > 1 else _flat(tasks[0])


def task_definitions(
    tasks: tuple[str, ...], without: tuple[str, ...] = (*DECIDES_NOTHING, *OF_LEARNING)
) -> dict[str, Any]:
    """What the tasks are at present, without some fields; what is at its default counts for nothing, so that a new
    field changes no key.
    """
    return {task: _settings_of(load_task(task), without) for task in tasks}


def _settings_of(task: Task, without: tuple[str, ...]) -> dict[str, Any]:
    given = asdict(task)
    decisive = (f for f in fields(task) if f.name not in without)
    return {f.name: given[f.name] for f in decisive if getattr(task, f.name) != f.default}


@cache
def _operator() -> dict[str, str]:
    """Who the scripted operator is at present."""
    files = sorted(OPERATORS.glob("*.yaml"))
    return {f"person/operators/{path.name}": path.read_text() for path in files}
